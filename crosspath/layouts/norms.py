"""What libraries call the norms and layer scales of a pre-norm block, by names inside the block.

They are believed of files alone, which cannot be run; a module shows what its norms do (pathway/canonical/).
"""

ATTENTION_NORMS = (
    "norm1",
    "layernorm_before",
    "layer_norm1",
    "layer_norm_1",
    "ln_1",
    "ln1",
    "self_attn_layer_norm",
    "attention.LayerNorm",
    "attention.self_attn_layer_norm",
)
"""What feeds query, key and value."""
MLP_NORMS = (
    "norm2",
    "layernorm_after",
    "layer_norm2",
    "layer_norm_2",
    "ln_2",
    "ln2",
    "final_layer_norm",
    "intermediate.LayerNorm",
    "LayerNorm",
)
"""What feeds the mlp."""
ATTENTION_SCALES = ("ls1.gamma", "gamma_1", "layer_scale1.lambda1", "layer_scale_1.lambda1", "lambda_1")
MLP_SCALES = ("ls2.gamma", "gamma_2", "layer_scale2.lambda1", "layer_scale_2.lambda1", "lambda_2")
NORM_SCALES = ("weight", "gamma")
NORM_SHIFTS = ("bias", "beta")

EPS = ("layer_norm_eps", "layer_norm_epsilon", "norm_eps")
"""Settings of a `config.json` that state ε."""
ACTIVATIONS = ("hidden_act", "activation_function", "hidden_activation")
"""Settings that state the activation of the mlp."""
ACTIVATION_NAMES = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "quick_gelu": "quick_gelu",
    "relu": "relu",
    "relu2": "squared_relu",
    "silu": "silu",
    "swish": "silu",
}
"""{what transformers calls it: what it is called here}."""
