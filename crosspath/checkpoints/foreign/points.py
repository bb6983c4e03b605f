"""Converts Point-MAE and Point-BERT files, pretrained or fine-tuned."""

from torch import Tensor

from crosspath.checkpoints.foreign.blocks import take_blocks, take_norm
from crosspath.checkpoints.foreign.grids import Override
from crosspath.checkpoints.foreign.translation import Foreign, Translation, first_components, size_of, with_settings
from crosspath.recipes import recipe_named

STAGES = ("first_conv", "second_conv")


def point(foreign: Foreign, override: Override) -> Translation:
    """The published point body: six heads, positions before every block, no bias for q, k and v.

    Point-MAE's pretraining has no class token, and Point-BERT embeds groups with 256 channels and a projection after
    pooling, which this tokenizer does not have: class token and tokenizer are then initialised at random.
    """
    bert = is_bert(foreign)
    _remove_prefix(foreign, "transformer_q.")
    _remove_prefix(foreign, "MAE_encoder.")
    tensors, width, depth, qkv_bias = take_blocks(foreign, "blocks.blocks.")
    size = size_of(foreign.where, width, depth)
    plain = recipe_named("point/modelnet40")
    recipe = override(with_settings(plain, model={"size": size, "qkv_bias": qkv_bias}))
    foreign.drop(r"(transformer_k|dvae|MAE_decoder|decoder_pos_embed|lm_head|queue|cpc_|transformer_q)", "pretraining")
    foreign.drop(r"(mask_token|increase_dim|decoder_|queue)", "pretraining")
    foreign.drop(r"(cls_head_finetune|cls_head|label_conv|propagation_|convs\d|bns\d|cls_)(?!pos)(?!token)", "head")
    fresh = ["head.hidden", "head.linear"]
    if bert:
        foreign.drop(r"(encoder|reduce_dim)\.", "Point-BERT's embedding of groups, which this tokenizer does not have")
        fresh += ["tokenizer.first_conv", "tokenizer.second_conv"]
    else:
        tensors |= _group_network(foreign)
    for layer in ("pos_embed.0", "pos_embed.2"):
        for part in ("weight", "bias"):
            tensors[f"tokenizer.{layer}.{part}"] = foreign.take(f"{layer}.{part}", f"tokenizer.{layer}.{part}")
    tensors |= take_norm(foreign, "norm", "encoder.norm")
    for token in ("cls_token", "cls_pos"):
        if foreign.has(token):
            tensors[f"encoder.{token}"] = foreign.take(token, f"encoder.{token}")
        else:
            fresh.append(f"encoder.{token}")
    fresh += [] if "encoder.norm.weight" in tensors else ["encoder.norm"]
    foreign.finish()
    return Translation(recipe, tensors, first_components(fresh))


def is_bert(foreign: Foreign) -> bool:
    """Whether a file is Point-BERT's, pretrained or fine-tuned, and not Point-MAE's."""
    return any(name.startswith("transformer_q.") or name.endswith("reduce_dim.weight") for name in foreign.tensors)


def _group_network(foreign: Foreign) -> dict[str, Tensor]:
    """The small PointNet with the running statistics of its batch normalisation."""
    tensors: dict[str, Tensor] = {}
    for stage in STAGES:
        for layer, parts in ((0, ()), (1, ("running_mean", "running_var", "num_batches_tracked")), (3, ())):
            for part in ("weight", "bias", *parts):
                name = f"{stage}.{layer}.{part}"
                tensors[f"tokenizer.{name}"] = foreign.take(f"encoder.{name}", f"tokenizer.{name}")
    return tensors


def _remove_prefix(foreign: Foreign, prefix: str) -> None:
    """Remove a prefix from the names that have it."""
    for name in [name for name in foreign.tensors if name.startswith(prefix)]:
        short = name.removeprefix(prefix)
        foreign.full_names[short] = foreign.full_names.get(name, name)
        foreign.tensors[short] = foreign.tensors.pop(name)
