"""What a modality is: one object that holds everything in which modalities differ.

The rest of the package asks this object and never which modality it holds. A modality needs its sections, the shape of
a sample and a tokenizer, and a reader for files; every other field has a default that leaves samples as they are.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crosspath.config import Recipe
from crosspath.config.augment import AugmentSection
from crosspath.config.data import DataSection
from crosspath.config.kinds import Sections
from crosspath.config.model import TokenizerSection
from crosspath.data.cache import Store
from crosspath.data.examples import Examples
from crosspath.data.generated.sets import GeneratedSamples
from crosspath.data.items import Reader
from crosspath.data.streaming.samples import Views, reader_views
from crosspath.data.views.draws import Draws
from crosspath.data.views.normalise import Scaling
from crosspath.tokenizers import Mask, Tokenizer

D = TypeVar("D", bound=DataSection)
A = TypeVar("A", bound=AugmentSection)
T = TypeVar("T", bound=TokenizerSection)

LogitsOf = Callable[[Tensor], Tensor]
"""The model, as a test protocol calls it: logits (B, K) in float32 of a prepared batch."""
Triple = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]
"""A sample, what the encoder saw of it, and its reconstruction."""


@dataclass(frozen=True, kw_only=True)
class Export(Generic[D]):
    """What an exported model reads: samples as the reader decodes them."""

    axes: tuple[str, ...]
    """Names of a sample's axes."""
    dtype: torch.dtype
    raw: Callable[[D, Tensor], Tensor | tuple[Tensor, Tensor]]
    """Generated samples in [-1, 1] as the reader would give them."""
    expected: Callable[[D], str]
    """What a sample has to be, in words."""
    normalisation: Callable[[D], str]
    """What the exported graph does first, in words."""
    mask: str | None = None
    """For samples of unequal lengths what a second input says, in words; `raw` then gives both."""
    batch: Callable[[Tensor, Tensor], Tensor] | None = None
    """From samples and mask to what the model reads."""


@dataclass(frozen=True, kw_only=True)
class Picture(Generic[D]):
    """How a prepared sample is drawn, alone and beside its reconstruction."""

    draw: Callable[[Any, NDArray[Any], NDArray[Any], D], None]
    """Draws one frame of a sample on matplotlib axes; the second array is the original, for the range of values."""
    frames: int = 1
    """Frames drawn of a sample whose second axis is time."""
    width: float = 2.6
    """Inches of one drawing."""
    pixels: Callable[[NDArray[Any], D], NDArray[np.uint8]] | None = None
    """A prepared sample as a small picture (H, W, 3), drawn without matplotlib; of a clip some frames side by side."""
    projection: str | None = None
    """matplotlib's, such as `3d`."""
    reconstructions: Callable[[Any, Tensor, Tensor, Tensor, Mask, bool], list[Triple]] | None = None
    """From (tokenizer, batch, predicted, target, mask, whether targets were normalised) to a triple for each sample;
    patches on a grid when not given."""
    caption: str = ""
    """What the model is given about hidden tokens, in words."""


@dataclass(frozen=True, kw_only=True)
class Discrete(Generic[D]):
    """For samples that are token numbers: masked modelling predicts hidden tokens instead of reconstructing values."""

    vocabulary: Callable[[D], int]
    maskable: Callable[[D, Tensor], Tensor]
    """Which tokens (B, L) of a batch may be hidden, a boolean each."""
    maskable_count: Callable[[D], int]
    """How many those are in a sample, at most."""
    cells: Callable[[D, list[int], Mapping[int, int]], list[str]]
    """A sequence and {place: predicted token} as HTML, a cell a token."""


Classify = Callable[[NDArray[Any]], NDArray[np.int64]]
"""Class numbers (N,) of decoded samples."""


class Baseline(NamedTuple):
    """The classifier without a network that a practitioner would try first."""

    name: str
    fit: Callable[[NDArray[Any], NDArray[np.int64], int], Classify]
    """(decoded training samples, their class numbers, seed) to a classifier."""


class SeveralViews(NamedTuple):
    """A test that looks at each sample more than once."""

    views: int
    """Views of a sample that the model sees in one batch."""
    logits: Callable[[Examples, NDArray[Any], torch.device, LogitsOf], Tensor]
    """Logits (B, K) of the examples at some rows."""


def whole_set(section: Any, store: Store, parts: NDArray[np.str_]) -> tuple[Store, NDArray[np.str_], Sequence[str]]:
    """The set as it is, without notes."""
    return store, parts, ()


def no_file(path: Path) -> bool:
    """Sets are folders."""
    return False


def no_claim(folder: Path) -> bool:
    """No folder is laid out as only this modality's are."""
    return False


def folder_recipe(folder: Path) -> str:
    """A user's own files are read by `MODALITY/folder`."""
    return "folder"


def no_inspection(section: Any) -> Any:
    """No setting follows from the files."""
    return section


def no_calibration(section: Any, examples: Examples) -> Any:
    """No setting follows from the training samples."""
    return section


def none_absent(section: Any, classes: Sequence[str], pairs: Collection[tuple[int, int]]) -> list[str]:
    """Samples have no annotations."""
    return []


def no_files(section: Any) -> Mapping[str, bytes]:
    """A model reads its samples without further files."""
    return {}


def no_paths(section: Any, folder: Path, own: bool) -> Any:
    """No setting names a file that goes with a checkpoint."""
    return section


def no_folds(section: Any) -> Mapping[int, Mapping[str, int]]:
    """Data without a protocol of several folds."""
    return {}


def no_scaling(section: Any) -> Scaling | None:
    """Samples stay as they are decoded."""
    return None


def same_batch(section: Any, batch: Tensor) -> Tensor:
    """Held-out samples stay as they are."""
    return batch


def no_augmentation(augment: Any, section: Any, batch: Tensor, draws: Draws) -> Tensor:
    """Training samples stay as they are."""
    return batch


def same_samples(
    section: Any, augment: Any, inputs: NDArray[Any], seed: int, epoch: int, ids_B: NDArray[np.int64]
) -> NDArray[Any]:
    """Decoded samples stay as they are until they are a batch on the device."""
    return inputs


def one_look(recipe: Recipe) -> SeveralViews | None:
    """The test reads each sample once."""
    return None


def nothing_beside(tokenizer: Any, width: int) -> int:
    """The tokenizer keeps nothing but its tokens for the backward pass."""
    return 0


@dataclass(frozen=True, kw_only=True)
class Modality(Generic[D, A, T]):
    """One modality. Functions take the modality's own sections; shapes are those of `crosspath.data.examples`."""

    sections: Sections

    # Files to samples.
    suffixes: tuple[str, ...] = ()
    """Of the files that are read, in lower case."""
    containers: tuple[str, ...] = ()
    """Those of them that another modality may own as well."""
    reads_file: Callable[[Path], bool] = no_file
    """Whether one existing file holds a whole set of this modality, and is read like a folder."""
    content: str = "samples"
    """What the files hold, in the plural: `images`."""
    columns: tuple[str, ...] = ()
    """Names, beside the modality's own, of the column that holds the samples in tables of other libraries."""
    sets: Mapping[str, str] = field(default_factory=dict)
    """Shipped sets by the value of `data.dataset`, and their folders below the data root."""
    generated: Mapping[str, Callable[[D], GeneratedSamples]] = field(default_factory=dict)
    """Sets that need no files."""
    terms: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Of those that are not generated but come with a library: (terms, where they are published)."""
    reader: Callable[[D], Reader] | None = None
    claims: Callable[[Path], bool] = no_claim
    """Whether a user's folder is laid out as only this modality's are, whatever the suffixes of its files."""
    inspect: Callable[[D], D] = no_inspection
    """The section with what follows from the user's own files, such as the number of channels, where it says nothing.
    Faults of the files are not reported: the run meets them again."""
    calibrate: Callable[[D, Examples], D] = no_calibration
    """The section with what follows from a run's training samples, such as their mean, where it says nothing."""
    calibration: tuple[str, ...] = ()
    """Settings that `calibrate` fills in; a run's recipe has their values, for whatever reads its checkpoint."""
    files: Callable[[D], Mapping[str, bytes]] = no_files
    """{name: content} of files without which samples mean nothing to a model: they go with every checkpoint."""
    at: Callable[[D, Path, bool], D] = no_paths
    """The section of a checkpoint's recipe with the `files` that lie in its folder; another's paths (where the last
    argument is false) lead nowhere else."""
    samples: Callable[[D, str], list[tuple[str, NDArray[Any], tuple[str, ...]]]] | None = None
    """(name, sample, notes on its reading) of what `predict` is given, where that may be more or less than one file."""
    select: Callable[[D, Store, NDArray[np.str_]], tuple[Store, NDArray[np.str_], Sequence[str]]] = whole_set
    """The classes and samples that a protocol keeps of a set, and notes; the part of a sample that is not kept is
    then empty."""
    folds: Callable[[D], Mapping[int, Mapping[str, int]]] = no_folds
    """Of sets with a protocol of several folds: the `data` settings of each."""

    # Samples to tokens.
    sample_shape: Callable[[D], tuple[int, ...]]
    """Of one prepared sample, without the batch."""
    annotation_axis: int | None = None
    """The axis of a sample along which an annotation stands after its values (`data.annotations`); None where samples
    have none."""
    absent: Callable[[D, Sequence[str], Collection[tuple[int, int]]], list[str]] = none_absent
    """(section, classes, the (label of a sample, value of its annotation) that training samples have) to notes on the
    annotated classes that they have not."""
    scaling: Callable[[D], Scaling | None] = no_scaling
    held_out: Callable[[D, Tensor], Tensor] = same_batch
    """What held-out samples get instead of augmentation."""
    tokenizer: Callable[[T, D, int, Any], Tokenizer]
    """(section, data section, width, kind of positions) to a module."""
    tokenizer_values: Callable[[T, int], int] = nothing_beside
    """Values that the tokenizer keeps for the backward pass, for each token, beside the token itself."""
    discrete: Discrete[D] | None = None

    # What training alters.
    before_batch: Callable[[D, A, NDArray[Any], int, int, NDArray[np.int64]], NDArray[Any]] = same_samples
    augment: Callable[[A, D, Tensor, Draws], Tensor] = no_augmentation
    augment_boxed: Callable[[A, D, Tensor, Tensor, Draws], tuple[Tensor, Tensor]] | None = None
    """`augment` of samples with boxes, which move with them; None where samples have none."""
    views: Views = reader_views

    whole: Callable[[D], Callable[[Path], NDArray[Any]]] | None = None
    """(section) to a function from a file to everything in it that an annotation would annotate, such as all points of
    a cloud, of which a sample has some; it raises `DamageError`. None where a sample has everything."""
    windows: Callable[[D, float | None, float | None], Callable[[Path], NDArray[Any]]] | None = None
    """(section, seconds of a window, seconds from one to the next) to a function from a file to its windows (W, ...),
    which raises `DamageError`; None where a file has no time axis."""

    # What is measured and shown.
    protocol: Callable[[Recipe], SeveralViews | None] = one_look
    errors: Callable[[Tensor, Tensor, bool], Tensor] | None = None
    """(predicted, target, normalise) to the mean error of each sample's hidden tokens; squared differences of patches
    when not given."""
    picture: Picture[D] | None = None
    baseline: Baseline | None = None
    export: Export[D] | None = None
    hub_task: str | None = None
    """The hub's word for a classifier of this modality."""

    # Shipped runs.
    recipe_for: Callable[[Path], str] = folder_recipe
    """The recipe, without the modality, that fits a user's own files best."""
    recipes: Mapping[str, Callable[[], Recipe]] = field(default_factory=dict)
    pretraining: Mapping[str, Callable[[], Recipe]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """As in `recipe.modality`."""
        return self.sections.modality

    def data_section(self, values: Mapping[str, Any]) -> DataSection:
        """The `data` section with these values and defaults for all others."""
        section = self.sections.data.model_validate(values)
        assert isinstance(section, DataSection)
        return section
