"""Recognises the published format of a foreign checkpoint by its names and shapes."""

from collections.abc import Callable

from crosspath.checkpoints.foreign import grids, points
from crosspath.checkpoints.foreign.grids import Override
from crosspath.checkpoints.foreign.settings import settings_of
from crosspath.checkpoints.foreign.transformers_names import is_transformers, to_timm_names
from crosspath.checkpoints.foreign.translation import Foreign, Translation
from crosspath.checkpoints.reparameterized import WEIGHT

AST_HEADS = ("mlp_head.", "classifier.dense.", "dist_token", "distillation_token")


def translate(foreign: Foreign, override: Override) -> Translation | None:
    """The checkpoint as a model of this library; None where the format is unknown.

    Works on shapes alone: tensors on the meta device give the plan of a translation.

    Raises
    ------
    InputError
        For a known format with tensors missing, or with some that it does not have, and for a model that a
        `config.json` says to compute in another way.
    """
    origin = ""
    if is_transformers(foreign):
        to_timm_names(foreign)
        origin = "transformers "
    name, convert = _identify(foreign)
    if convert is None:
        return None
    if foreign.config is not None:
        foreign.settings = settings_of(foreign.config)
    has_pathways = any(tensor.endswith(f".{WEIGHT}") for tensor in foreign.tensors)
    foreign.format = (origin + name.removeprefix("timm ") if origin else name) + " trained with M2PT" * has_pathways
    return convert(foreign, override)


def _identify(foreign: Foreign) -> tuple[str, Callable[[Foreign, Override], Translation] | None]:
    names = tuple(foreign.tensors)
    if any("blocks.blocks.0.attn.qkv.weight" in name for name in names):
        return ("Point-BERT" if points.is_bert(foreign) else "Point-MAE"), points.point
    if not foreign.has("patch_embed.proj.weight") or not foreign.indices("blocks."):
        return "", None
    kernel = foreign.shape("patch_embed.proj.weight", 4, 5)
    decoder = any(name.startswith(("decoder", "encoder_to_decoder", "mask_token")) for name in names)
    if len(kernel) == 5:
        return "VideoMAE" + " pretraining" * decoder, grids.video
    if kernel[1] == 1:
        # transformers' names have become timm's by now.
        has_ast_head = any(name.startswith(AST_HEADS) for name in names)
        return ("AST", grids.ast) if has_ast_head else ("AudioMAE", grids.audio_mae)
    return ("MAE" if decoder else "timm ViT"), grids.image
