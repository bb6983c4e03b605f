"""Point clouds and meshes, as coordinates (P, 3)."""

from collections.abc import Callable, Collection, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from crosspath.config import Recipe
from crosspath.config.augment import PointAugment
from crosspath.config.data import PointData
from crosspath.config.model import PointGroups
from crosspath.config.shipped import POINT as SECTIONS
from crosspath.data.examples import Examples
from crosspath.data.folder_tree import suffix_of, tree_of
from crosspath.data.generated.sets import furniture, solids
from crosspath.data.part_numbers import part_numbers
from crosspath.data.places import POINT_SETS
from crosspath.data.readers.points import SUFFIXES, PointReader
from crosspath.data.views.augment import augment_clouds
from crosspath.data.views.draws import Draws
from crosspath.data.views.point_resampling import held_out_cloud
from crosspath.errors import InputError
from crosspath.modalities.cloud_pictures import cloud_pixels, cloud_triples, draw_cloud
from crosspath.modalities.errors import chamfer_errors
from crosspath.modalities.modality import Export, LogitsOf, Modality, Picture, SeveralViews
from crosspath.recipes import points
from crosspath.tokenizers import PointTokenizer

VOTE_SEED = 0x707E
"""Of the subsets that vote. Fixed, so that a checkpoint has one test score."""
POINT_LAYERS = 2 * 128 + 256 + 2 * 512
"""Values that the tokenizer keeps for each point of a group beside its result: its layers before and after their
normalisation."""


def _tokenizer(section: PointGroups, data: PointData, width: int, positions: str) -> PointTokenizer:
    return PointTokenizer(section.groups, section.group_size, width)


def _tokenizer_values(section: PointGroups, width: int) -> int:
    return (POINT_LAYERS + width) * section.group_size


def _sample_shape(data: PointData) -> tuple[int, ...]:
    return (data.points, 3)


def _held_out_clouds(data: PointData, batch_BS3: Tensor) -> Tensor:
    """Of larger stored clouds the farthest-point sample; of those with parts the first points, which are a sample drawn
    by a fixed seed, evenly from all.
    """
    return batch_BS3[:, : data.points] if batch_BS3.shape[2] > 3 else held_out_cloud(batch_BS3, data.points)


def votes(recipe: Recipe) -> SeveralViews | None:
    """The mean logits (B, K) over `evaluate.votes` random subsets of each cloud, each scaled and shifted.

    The number of votes is fixed beforehand: the published test repeats the vote 299 times and reports the best.
    """
    count = recipe.evaluate.votes
    if count == 1:
        return None

    def logits(examples: Examples, rows: NDArray[Any], device: torch.device, logits_of: LogitsOf) -> Tensor:
        clouds = torch.tensor(examples.inputs[rows], device=device)
        # By name: a part of the samples, in another process, is drawn as in one process.
        ids_B = torch.tensor([number_of(examples.ids[row]) for row in rows])
        total = torch.zeros((), device=device)
        for vote in range(count):
            draws = Draws(VOTE_SEED, vote, ids_B, clouds.device)
            total = total + logits_of(augment_clouds(recipe.augment, recipe.data, clouds, draws))  # type: ignore[arg-type]
        return total / count

    return SeveralViews(1, logits)


def number_of(name: str) -> int:
    """A number for a sample's name, the same everywhere."""
    return int.from_bytes(blake2b(name.encode(), digest_size=7).digest(), "little")


def _recipe_for(folder: Path) -> str:
    """Clouds of which every file is a scan of `.bin` come from a lidar: few points each."""
    endings = {suffix_of(names[-1]) for names in tree_of(folder).files} & set(SUFFIXES)
    return "lidar" if endings == {".bin"} else "folder"


def _calibrate(data: PointData, training: Examples) -> PointData:
    """The part numbers of each category, where the section does not give them. Raises `InputError` for a streamed set,
    of which this would read everything.
    """
    if not data.annotated or data.parts is not None:
        return data
    if data.stream:
        todo = "set them with --set data.parts=[[0,1,2],[3,4]], or data.stream=false"
        raise InputError("data.parts", "the part numbers of each category, for streamed clouds", "none", todo)
    return data.model_copy(update={"parts": part_numbers(training)})


def _absent(data: PointData, classes: Sequence[str], pairs: Collection[tuple[int, int]]) -> list[str]:
    """Given parts that no training point of their category has."""
    parts = [(category, number) for category, own in enumerate(data.parts or ()) for number in own]
    absent = [(category, number) for category, number in parts if (category, number) not in pairs]
    return [f"part {number} of {classes[category]} has no training point" for category, number in absent]


def _whole(data: PointData) -> Callable[[Path], NDArray[Any]]:
    return PointReader(data).decode_whole


def _raw(data: PointData, values: Tensor) -> Tensor:
    return values


def _expected(data: PointData) -> str:
    detail = ", centred on the cloud's mean and scaled into the unit sphere" if data.normalise else ""
    return f"x, y, z of each point{detail}"


def _normalisation(data: PointData) -> str:
    return "none"


POINT = Modality[PointData, PointAugment, PointGroups](
    sections=SECTIONS,
    suffixes=SUFFIXES,
    content="point clouds",
    sets=POINT_SETS,
    generated={"solids": solids, "furniture": furniture},
    reader=PointReader,
    sample_shape=_sample_shape,
    annotation_axis=1,
    absent=_absent,
    whole=_whole,
    calibrate=_calibrate,
    calibration=("parts",),
    held_out=_held_out_clouds,
    tokenizer=_tokenizer,
    tokenizer_values=_tokenizer_values,
    augment=augment_clouds,
    protocol=votes,
    errors=chamfer_errors,
    picture=Picture(
        draw=draw_cloud,
        pixels=cloud_pixels,
        projection="3d",
        reconstructions=cloud_triples,
        caption="(hidden centres given)",
    ),
    export=Export(
        axes=("point", "coordinate"),
        dtype=torch.float32,
        raw=_raw,
        expected=_expected,
        normalisation=_normalisation,
    ),
    recipe_for=_recipe_for,
    recipes=points.RECIPES,
    pretraining=points.PRETRAINING,
)
