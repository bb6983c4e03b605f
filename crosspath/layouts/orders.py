"""In which order a fused weight holds its roles, by the attention's class: names of weights do not tell it.

Read from the libraries' sources; a key is the library and the class. A class that is not here is asked for.
"""

from collections.abc import Mapping

from crosspath.layouts.layout import Order

_THREE_MAJOR: Mapping[str, str] = {
    "timm": "Attention AttentionRope AttentionPoolLatent AttentionPool2d RotAttentionPool2d DiffAttention "
    "TalkingHeadAttn FactorAttnConvRelPosEnc MHSA GPSA WindowAttention "
    "CrossCovarianceAttn EvaAttention WindowAttentionGlobal MaskUnitAttention MultiScaleAttention "
    "WindowMultiHeadAttention LocallyGroupedAttn GlobalSubSampleAttn RelPosAttention XCA ClassAttention "
    "CrossAttention SHSA BottleneckAttn",
    "transformers": "GPT2Attention DecisionTransformerGPT2Attention ImageGPTAttention ModernBertAttention MptAttention "
    "Phi3Attention BlipAttention Blip2Attention InstructBlipAttention HieraMaskUnitAttention SamVisionAttention "
    "SamVisionSdpaAttention SamHQVisionAttention Sam2MultiScaleAttention TimesformerSelfAttention VisionAttention "
    "Qwen2_5_VLVisionAttention VitDetAttention SegGptAttention NomicBertAttention LayoutLMv2SelfAttention "
    "DbrxAttention CohereCompassVisionAttention DeepseekOcr2SamVisionAttention Dots3NoteVisionAttention "
    "Ernie4_5_VLMoeVisionAttention Exaone4_5_VisionAttention Florence2VisionWindowAttention Glm4vVisionAttention "
    "Glm4vMoeVisionAttention Glm5NextVisionAttention GlmImageVisionAttention GlmOcrVisionAttention "
    "GotOcr2VisionAttention InstructBlipVideoAttention MgpstrAttention Phi4MultimodalAttention "
    "PPFormulaNetVisionAttention PPOCRV5MobileRecAttention PPOCRV5ServerRecAttention PPOCRV6SmallRecAttention "
    "Qwen3_5VisionAttention Qwen3_5MoeVisionAttention Qwen3OmniMoeVisionAttention Qwen3VLVisionAttention "
    "Qwen3VLMoeVisionAttention Qwen4ExpVisionAttention SLANeXtVisionAttention UnlimitedOcrSamVisionAttention "
    "EvollaSequenceCompressorAttention GraniteSpeechConformerAttention GraniteSpeechPlusConformerAttention",
    "open_clip": "Attention ResidualAttentionBlock",
    "torch": "MultiheadAttention",
    "torchvision": "MultiheadAttention ShiftedWindowAttention ShiftedWindowAttentionV2",
}
_HEAD_MAJOR: Mapping[str, str] = {
    "timm": "Attention2d AttentionCl",
    "transformers": "GPTNeoXAttention GPTNeoXJapaneseAttention BloomAttention PersimmonAttention "
    "DisentangledSelfAttention",
}

_TABLES: tuple[tuple[Order, Mapping[str, str]], ...] = (("three-major", _THREE_MAJOR), ("head-major", _HEAD_MAJOR))
ORDERS_OF_CLASSES: Mapping[str, Order] = {
    f"{library}.{name}": order for order, table in _TABLES for library, names in table.items() for name in names.split()
}
ORDERS_OF_MODULES: Mapping[str, Order] = {
    "timm.models.tiny_vit": "head-major",
    "timm.models.levit": "head-major",
    "timm.models.efficientformer": "head-major",
    "transformers.models.openai.modeling_openai": "three-major",
}
"""By the module of a class whose name is too common."""
ORDER_ATTRIBUTES: Mapping[str, tuple[Order | None, Order | None]] = {
    "head_first": ("head-major", "three-major"),
    "new_decoder_architecture": ("head-major", None),
    "multi_query": ("three-major", "head-major"),
}
"""Attributes of an attention that decide the order: the order where it is true, and where it is false; None where
another attribute decides.
"""
LIBRARIES = frozenset({"timm", "transformers", "transformers_modules"})
"""Those whose classes these attributes are; elsewhere the same words may mean other things."""

_FIRST = (
    "ModernBertMLP ModernBertDecoderMLP Phi3MLP Phi4MultimodalMLP GlmMLP Glm4MLP Glm4vTextMLP GlmImageTextMLP "
    "GlmOcrTextMLP DiaMLP Dots3NoteAudioMLP GraniteMoeSWAMLP GraniteMoeHybridMLP GraniteMoeSharedMLP"
)
_SECOND = "MoonshineDecoderMLP MoonshineStreamingDecoderMLP Phi4MultimodalAudioMLP"
GATE_FIRST: Mapping[str, bool] = {
    f"transformers.{name}": first for first, names in ((True, _FIRST), (False, _SECOND)) for name in names.split()
}
"""Of a gated mlp whose two inputs are one weight: whether the activation acts on the first half. It goes before the
weight's name: Phi-4's `gate_up_proj` for audio holds up, then gate.
"""
GATE_LAST = "gate_last"
"""Attribute of an mlp that says whether the activation acts on the second half."""
