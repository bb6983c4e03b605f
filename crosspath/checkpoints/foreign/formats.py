"""Which published format a foreign checkpoint has, by its names and shapes."""

from crosspath.checkpoints.foreign import grids, points
from crosspath.checkpoints.foreign.grids import Overridden
from crosspath.checkpoints.foreign.transformers_names import is_transformers, to_timm_names
from crosspath.checkpoints.foreign.translation import Foreign, Translation
from crosspath.checkpoints.reparameterized import WEIGHT

AST_HEADS = ("mlp_head.", "classifier.dense.", "dist_token", "embeddings.distillation_token")


def translated(foreign: Foreign, overridden: Overridden) -> Translation | None:
    """The checkpoint as a model of this library; None where the format is unknown.

    Works on shapes alone: tensors on the meta device give the plan of a translation.

    Raises
    ------
    InputError
        For a known format with tensors missing, or with some that have no place.
    """
    names = tuple(foreign.tensors)
    origin = ""
    if is_transformers(foreign):
        to_timm_names(foreign)
        origin = "transformers "
    swapped = any(name.endswith(f".{WEIGHT}") for name in names)
    if any("blocks.blocks.0.attn.qkv.weight" in name for name in names):
        found = points.point(foreign, overridden)
    elif not foreign.has("patch_embed.proj.weight") or not foreign.indices("blocks."):
        return None
    else:
        kernel = foreign.shape("patch_embed.proj.weight")
        if len(kernel) == 5:
            found = grids.video(foreign, overridden)
        elif kernel[1] == 1:
            turned = any(name.startswith(AST_HEADS) for name in names)
            found = (grids.ast if turned else grids.audio_mae)(foreign, overridden)
        else:
            found = grids.image(foreign, overridden)
    kind = found.format if not origin else f"{origin}{found.format.removeprefix('timm ')}"
    if swapped:
        kind += " trained with M2PT"
    return Translation(kind, found.recipe, found.tensors, found.fresh)
