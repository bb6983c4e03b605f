"""Models of sound and of time series in transformers; roles and norms as in each family's modeling file."""

from tests.layouts.zoo.configuration import Configuration
from tests.layouts.zoo.transformers_build import (
    BART,
    DEPTH,
    HEADS,
    HIDDEN,
    SIZES,
    TWO_STACKS,
    VIT,
    WAV2VEC2,
    WIDTH,
    configuration,
    plain_roles,
)

WAVES = {
    "conv_dim": (16,),
    "conv_stride": (5,),
    "conv_kernel": (10,),
    "num_feat_extract_layers": 1,
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
}
WHISPER = TWO_STACKS | {
    "vocab_size": 60,
    "max_source_positions": 16,
    "max_target_positions": 16,
    "num_mel_bins": 16,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 1,
}
SPEECH_TO_TEXT = TWO_STACKS | {
    "vocab_size": 50,
    "input_feat_per_channel": 16,
    "conv_channels": 16,
    "conv_kernel_sizes": (3, 3),
    "max_source_positions": 16,
    "max_target_positions": 16,
}
MOONSHINE = {
    "hidden_size": WIDTH,
    "intermediate_size": HIDDEN,
    "encoder_num_hidden_layers": DEPTH,
    "decoder_num_hidden_layers": DEPTH,
    "encoder_num_attention_heads": HEADS,
    "decoder_num_attention_heads": HEADS,
    "vocab_size": 50,
    "max_position_embeddings": 16,
}
SERIES = TWO_STACKS | {"prediction_length": 8, "context_length": 8, "lags_sequence": [1, 2]}
CONFORMER = {
    "self_attn.linear_q": "query",
    "self_attn.linear_k": "key",
    "self_attn.linear_v": "value",
    "self_attn.linear_out": "attention_output",
    "ffn1.intermediate_dense": "another mlp_in",
    "ffn1.output_dense": "another mlp_out",
    "ffn2.intermediate_dense": "another mlp_in",
    "ffn2.output_dense": "another mlp_out",
}
MOONSHINE_ATTENTION = {
    "self_attn.q_proj": "query",
    "self_attn.k_proj": "key",
    "self_attn.v_proj": "value",
    "self_attn.o_proj": "attention_output",
}

SOUND: tuple[Configuration, ...] = (
    configuration("ASTModel", SIZES | {"max_length": 64, "num_mel_bins": 32}, VIT, config="ASTConfig"),
    configuration("HubertModel", SIZES | WAVES, WAV2VEC2, norm="post"),
    configuration("Wav2Vec2Model", SIZES | WAVES, WAV2VEC2, norm="post"),
    configuration(
        "Wav2Vec2Model", SIZES | WAVES | {"do_stable_layer_norm": True}, WAV2VEC2, variant="stable layer norm"
    ),
    configuration(
        "Data2VecAudioModel",
        SIZES | WAVES | {"num_conv_pos_embeddings": 2, "conv_pos_kernel_size": 3},
        norm="post",
    ),
    configuration("UniSpeechSatModel", SIZES | WAVES, norm="post"),
    configuration("SEWModel", SIZES | WAVES | {"squeeze_factor": 1}, norm="post"),
    configuration("WavLMModel", SIZES | WAVES, WAV2VEC2, norm="post"),
    configuration("WhisperModel", WHISPER, BART),
    configuration("WhisperModel", WHISPER, BART, variant="its encoder", part="encoder"),
    configuration("Speech2TextModel", SPEECH_TO_TEXT, BART, variant="its encoder", part="encoder"),
    configuration(
        "SpeechT5Model",
        WAVES
        | {
            "hidden_size": WIDTH,
            "encoder_layers": DEPTH,
            "decoder_layers": DEPTH,
            "encoder_attention_heads": HEADS,
            "decoder_attention_heads": HEADS,
            "encoder_ffn_dim": HIDDEN,
            "decoder_ffn_dim": HIDDEN,
            "vocab_size": 50,
        },
        norm="post",
    ),
    configuration("MoonshineModel", MOONSHINE),
    configuration(
        "MoonshineModel",
        MOONSHINE,
        MOONSHINE_ATTENTION | {"mlp.fc1": "mlp_in", "mlp.fc2": "mlp_out"},
        variant="its encoder",
        part="encoder",
    ),
    configuration(
        "MoonshineModel",
        MOONSHINE,
        # hidden_states, gate = fc1(x).chunk(2); activation(gate) * hidden_states
        MOONSHINE_ATTENTION | {"mlp.fc1": "mlp_in+mlp_gate", "mlp.fc2": "mlp_out"},
        variant="its decoder",
        part="decoder",
        misleading=True,
    ),
    configuration(
        "Wav2Vec2ConformerModel",
        SIZES | WAVES,
        CONFORMER,
        misleading=True,  # two mlps, ffn1 before the attention and ffn2 behind it; linear_pos projects positions
    ),
    configuration("Wav2Vec2BertModel", SIZES | {"feature_projection_input_dim": 16}, CONFORMER, misleading=True),
    configuration(
        "Phi4MultimodalAudioModel",
        {
            "hidden_size": WIDTH,
            "num_blocks": DEPTH,
            "num_attention_heads": HEADS,
            "intermediate_size": HIDDEN,
            "input_size": 16,
            "nemo_conv_channels": 8,
            "ext_pw_out_channel": WIDTH,
            "depthwise_separable_out_channel": WIDTH,
            "chunk_size": -1,
        },
        # up_states, gate = gate_up_proj(x).chunk(2), unlike what the name says; one mlp before attention, one behind
        MOONSHINE_ATTENTION
        | {
            "feed_forward_in.gate_up_proj": "another mlp_in+mlp_gate",
            "feed_forward_in.down_proj": "another mlp_out",
            "feed_forward_out.gate_up_proj": "another mlp_in+mlp_gate",
            "feed_forward_out.down_proj": "another mlp_out",
        },
        misleading=True,
    ),
    configuration(
        "EncodecModel",
        {"hidden_size": 16, "num_filters": 4, "num_residual_layers": 1, "codebook_size": 16, "codebook_dim": 16},
        norm=None,
        refusal="its convolutions are computed by weight normalisation: remove that first",
    ),
)

SERIES_MODELS: tuple[Configuration, ...] = (
    configuration(
        "PatchTSTModel",
        {
            "d_model": WIDTH,
            "num_hidden_layers": DEPTH,
            "num_attention_heads": HEADS,
            "ffn_dim": HIDDEN,
            "context_length": 32,
            "patch_length": 4,
            "patch_stride": 4,
        },
        plain_roles("self_attn", "q_proj", "k_proj", "v_proj", "self_attn.out_proj", "ff.0", "ff.3"),
    ),
    configuration(
        "TimesFmModel",
        {
            "hidden_size": WIDTH,
            "num_hidden_layers": DEPTH,
            "num_attention_heads": HEADS,
            "intermediate_size": HIDDEN,
            "head_dim": WIDTH // HEADS,
            "patch_length": 8,
            "context_length": 32,
            "horizon_length": 8,
        },
        # down_proj(relu(gate_proj(x))): a plain mlp, in spite of its first matrix's name
        plain_roles("self_attn", "q_proj", "k_proj", "v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.down_proj"),
        misleading=True,
    ),
    configuration("TimeSeriesTransformerModel", SERIES, BART, norm="post"),
    configuration("TimeSeriesTransformerModel", SERIES, BART, variant="its encoder", part="encoder", norm="post"),
    configuration("InformerModel", SERIES, norm="post"),
    configuration(
        "PatchTSMixerModel",
        {"context_length": 32, "patch_length": 8, "patch_stride": 8, "d_model": WIDTH, "num_layers": DEPTH},
    ),
)

CONFIGURATIONS = SOUND + SERIES_MODELS
