"""Models of one width, depth and number of heads, by what their blocks have; any two of one group pair wholly."""

from functools import cache

from torch import nn

from tests.layouts.zoo import other_models, timm_models, transformers_models
from tests.layouts.zoo.configuration import Configuration
from tests.layouts.zoo.transformers_build import HEADS
from tests.layouts.zoo.truth import Rows, roles_of_blocks

CONFIGURATIONS: dict[str, Configuration] = {
    configuration.name: configuration
    for models in (transformers_models, other_models, timm_models)
    for configuration in models.CONFIGURATIONS
}
TRANSPOSED = {"transformers GPT2Model", "transformers GPT2Model, cross-attention", "transformers OpenAIGPTModel"}

PLAIN = (
    "transformers ViTModel",
    "transformers HubertModel",
    "transformers GPT2Model",
    "timm vit_tiny_patch16_224",
    "transformers BertModel",
    "torch TransformerEncoder",
    "transformers Data2VecVisionModel",
    "transformers TimesFmModel",
    "transformers DistilBertModel",
    "transformers WhisperModel, its encoder",
    "transformers SamVisionModel",
    "transformers BloomModel",
    "timm beit_base_patch16_224",
    "transformers MPNetModel",
    "torchvision ViT",
    "transformers PersimmonModel",
    "transformers BlipVisionModel",
    "transformers PatchTSTModel",
    "transformers DebertaModel",
    "transformers DINOv3ViTModel",
    "nanoGPT",
    "transformers TimesformerModel",
    "transformers MoonshineModel, its encoder",
    "transformers T5EncoderModel",
    "timm deit3_small_patch16_224",
    "transformers FalconModel, all heads",
    "hand-written blocks with unusual names",
    "transformers VitDetModel",
    "transformers GPTBigCodeModel, all heads",
    "transformers WavLMModel",
    "open_clip Transformer",
    "transformers GPTNeoXModel",
    "transformers VideoMAEModel",
    "transformers DebertaV2Model",
    "transformers Wav2Vec2Model, stable layer norm",
    "transformers MptModel",
    "timm samvit_base_patch16",
    "transformers OPTModel",
    "transformers CLIPVisionModel",
    "transformers TimeSeriesTransformerModel, its encoder",
    "transformers GPTJModel",
    "transformers LongformerModel",
    "transformers Qwen2VLModel, its vision encoder",
    "transformers OpenAIGPTModel",
    "transformers ASTModel",
    "transformers CTRLModel",
    "transformers YolosModel",
    "transformers GPTNeoModel",
    "transformers Blip2QFormerModel",
    "transformers BartModel, its encoder",
)
"""Two blocks of one width, depth and number of heads, all of whose heads have keys, and a plain mlp of one width."""
MORE = {
    "transformers TimesformerModel",
    "transformers DebertaModel",
    "transformers DebertaV2Model",
    "transformers LongformerModel",
    "transformers Blip2QFormerModel",
}
"""Of these, those with further matrices: a second attention, projections of positions."""
GATED = (
    "transformers LlamaModel",
    "transformers DINOv3ViTModel, gated",
    "transformers ModernBertModel",
    "transformers PixtralVisionModel",
    "transformers T5EncoderModel, gated",
    "transformers NomicBertModel",
    "transformers Dinov2Model, SwiGLU",
    "transformers Qwen2Model",
)
"""The same, with a gated mlp."""
GROUPED = (
    "transformers LlamaModel, grouped queries",
    "transformers Phi3Model",
    "transformers Qwen3Model",
    "transformers Glm4Model",
    "transformers Olmo2Model",
    "transformers CohereModel",
    "transformers Gemma3TextModel",
)
"""The same, with a key for every two heads of queries."""
GROUPED_PLAIN = (
    "transformers PhiModel",
    "transformers FalconModel, grouped queries",
    "transformers Starcoder2Model",
)
SINGLE_KEY = ("transformers FalconModel, multi-query", "transformers GPTBigCodeModel, multi-query")


@cache
def model_of(name: str) -> nn.Module:
    """The model, built once: tests leave it as it is."""
    return CONFIGURATIONS[name].build()


@cache
def roles_of(name: str) -> list[dict[str, Rows]]:
    """Per block each role with its place, by the table that was written by hand."""
    return roles_of_blocks(model_of(name), CONFIGURATIONS[name].roles, HEADS, name in TRANSPOSED)
