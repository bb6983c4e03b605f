"""Where the models of transformers normalise: by the `model_type` of a `config.json`, and by names of weights."""

from crosspath.layouts.layout import Norm

_TYPES: dict[Norm, str] = {
    "pre": """
    afmoe aimv2_vision_model align_vision_model altclip_vision_model apertus apertus1p5_text
    apertus1p5_vision_tokenizer arcee aria_text audio-spectrogram-transformer audioflamingo3_encoder axk1 axk2
    bailing_hybrid bamba beam beit bigbird_pegasus biogpt bit bitnet blenderbot blip_2_vision_model
    blip_vision_model bloom blt_local_encoder canary_decoder chinese_clip_vision_model clap_audio_model
    clip_text_model clip_vision_model clipseg_text_model clvp_encoder codegen cohere cohere2 cohere_asr
    cohere_compass_vision convnext convnextv2 cosmos3_edge_text cosmos3_edge_vision cpmant csm ctrl cwm
    data2vec-vision decision_transformer deepseek_v3 deit depth_pro dia_decoder dia_encoder diffllama dinov2
    dinov2_with_registers dinov3_vit doge donut-swin dory dots3_note_audio_encoder dots3_note_text
    dots3_note_vision_encoder dpt edgetam_video efficientnet embedding_gemma2_text ernie4_5 ernie4_5_moe esm
    ernie4_5_vl_moe_text ernie4_5_vl_moe_vision esmc eurobert exaone exaone4_5_vision exaone_moe falcon falcon_h1
    falcon_mamba flava_text_model flint florence_vision focalnet fun_asr_nano_encoder gemma gemma2 gemma3_text
    gemma3n_audio gemma4_audio gemma4_text gemma4_unified_text gemma4_vision git_vision_model glm glm4 glm4_moe
    glm4_moe_lite glm4v_moe_text glm4v_moe_vision glm4v_text glm4v_vision glm5_next_text glm5_next_vision
    glm_image_text glm_image_vision glm_moe_dsa glm_ocr_text glm_ocr_vision glmasr_encoder glpn got_ocr2_vision gpt2
    gpt_bigcode gpt_neo gpt_neox gpt_neox_japanese gptj gradium_phonon_tts granite granite_docling_text
    granite_docling_vision granite_speech5_encoder granite_speech_encoder granite_speech_plus_encoder granite_swa
    granitemoe granitemoe_swa granitemoehybrid granitemoeshared groupvit_text_model groupvit_vision_model helium
    hiera higgs_audio_v2 hrm_text hunyuan_vl_vision hy_v3 hy_v4_vl_vision hyperclovax ibert idefics2_perceiver
    idefics2_vision idefics3_vision ijepa imagegpt inkling2_loop_text inkling2_vision instructblip_vision_model
    instructblipvideo_vision_model internlm3 internvl_vision jais2 jamba janus_vision_model jetmoe kimi_k25_vision
    kimi_linear kolibri1 kosmos_2_5_text_model kosmos_2_5_vision_model kosmos_2_text_model kosmos_2_vision_model
    kyutai_speech_to_text laguna lara_mini lasr_encoder lfm2 lfm3 lfm3_vl_vision llama llama4_vision_model longt5
    m2m_100 mbart mimi mistral mixtral modernbert mpt nemotron olmo opt parakeet_encoder pegasus persimmon phi phi3
    pixtral qwen2 qwen2_5_vl_vision qwen2_moe qwen2_vl_text qwen3 qwen3_vl_text qwen3_vl_vision roberta-prelayernorm
    sam2_hiera_det_model sam_vision_model semantic siglip siglip2_vision_model siglip_text_model siglip_vision_model
    smollm3 speech_to_text stablelm starcoder2 swin t5 videomae vit vit_mae vit_msn vivit whisper xglm
    xlm-roberta-xl yolos
    """,
    "post": """
    albert align_text_model altclip_text_model bart bert bert-generation big_bird blenderbot-small blip_text_model
    bridgetower_text_model camembert canine chinese_clip_text_model clap_text_model convbert data2vec-audio
    data2vec-text deberta deberta-v2 detr distilbert dpr electra ernie fsmt git gte hubert instructblip_qformer
    instructblipvideo_qformer jina_embeddings_v3 layoutlm layoutlmv3 longformer luke marian markuplm mobilebert
    mpnet nomic_bert nystromformer openai-gpt plbart rembert roberta roformer squeezebert tapas trocr visual_bert
    xlm-roberta
    """,
    "res-post": """
    exaone4 olmo2 olmo3 swinv2
    """,
}
PLACEMENTS: dict[str, Norm] = {model_type: norm for norm, types in _TYPES.items() for model_type in types.split()}
"""{`model_type`: where its blocks normalise}, for those of which no setting states it."""

PLACEMENTS_BY_NAME: tuple[tuple[str, Norm], ...] = (
    ("attention.output.LayerNorm", "post"),
    ("attention.LayerNorm", "pre"),
    ("attention.self_attn_layer_norm", "pre"),
)
"""(a norm inside a block, the placement that it stands for): RoBERTa-PreLayerNorm, ESM-2 and XLM-R-XL have the other
names of BERT."""
