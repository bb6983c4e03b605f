"""What the `data` sections of all modalities share."""

from math import prod
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from crosspath.config.section import Section
from crosspath.errors import InputError
from crosspath.limits import BYTES

Fraction = Annotated[float, Field(gt=0.0, lt=1.0)]
Channels = tuple[float, float, float]
PositiveChannels = tuple[PositiveFloat, PositiveFloat, PositiveFloat]
BYTES_A_VALUE = 4
"""Samples are 32-bit numbers."""
LabelKind = Literal["classes", "numbers", "boxes", "dense"]
"""What the labels of a set are. `classes`: a class number a sample, or zeros and ones for each class. `numbers`: a
float for each column. `boxes`: rows of (x0, y0, x1, y1, class). `dense`: the sample carries its annotation, and its
label is a category at most."""


class DataSection(Section):
    """The fields that all modalities share."""

    folder: Path | None = None
    """The user's own data (`*/folder` recipes); shipped sets are found below the data root."""
    memory: str | None = None
    """Of samples given in memory (`crosspath.train(data=(X, y))`), the sha256; no file is then read."""
    classes: PositiveInt | None = None
    """Published number of classes, so that a dry run needs no data. Checked against the data when they are read; with
    few-shot episodes it is that of the set or `way`."""
    train_samples: PositiveInt | None = None
    """Published number of training samples after the validation part is held out; only a dry run reads it."""
    labels_per_class: PositiveInt | None = None
    """Training samples kept per class, drawn by `train.seed`; a smaller class gives all it has."""
    labels_in_all: PositiveInt | None = None
    """Training samples kept in all, drawn by `train.seed` regardless of what their labels say."""
    multi_label: bool = False
    """A sample may have several labels: sigmoid outputs, mean average precision."""
    label_columns: tuple[str, ...] | None = None
    """Of a table, instead of one column of labels: with the objective `regression` the columns of numbers, one or
    several; with `multi_label` a column for each class, of 0 and 1."""
    target_mean: tuple[float, ...] | None = None
    """Regression: subtracted from the numbers of each column, that of the run's training samples when not given, and
    then written into its recipe."""
    target_std: tuple[PositiveFloat, ...] | None = None
    """Regression: as `target_mean`, what the difference is divided by."""
    unlabelled: bool = False
    """Samples beyond `labels_per_class` stay in the training part: of masked modelling only, which reads no labels."""
    validation_fraction: Fraction = 0.1
    """Share of training that is held out, stratified, if the set has no validation part."""
    test_fraction: Fraction = 0.2
    """Stratified part held out where a folder names no test part."""
    split_seed: NonNegativeInt | None = None
    """Redraws the held-out parts that the set does not name itself; one fixed split when not given."""
    held_out_fold: tuple[NonNegativeInt, PositiveInt] | None = None
    """(k, n): the validation part is the k-th, from 0, of n stratified folds of the labelled samples that are not in
    the test part, instead of `validation_fraction`; `labels_per_class` counts those of all folds."""
    way: Annotated[int, Field(ge=2)] | None = None
    """Few-shot episodes: classes drawn for `fold`, with `shot` training and `query` test samples each."""
    shot: PositiveInt | None = None
    query: PositiveInt | None = None
    """Few-shot episodes: test samples of each class, and validation samples at most. The published 20 when not given,
    or all that a class has."""
    fold: NonNegativeInt = 0
    """Few-shot episodes: which draw, from 0; published are ten."""
    skip_damaged: bool = False
    """Leave damaged files out, named and counted; otherwise the first pass ends with an error that names them."""
    cache_folder: Path | None = None
    """Where decoded samples are kept; the user's cache folder when not given. Never the data folder."""
    stream: bool = False
    """Decode samples on access, in `train.workers` processes, instead of once into the cache: for sets that are too
    large to store decoded, and for augmentations that need the complete file."""
    train_shards: str | None = None
    """`shards` sets: webdataset tar files of the training part, such as `train-{000000..000146}.tar`, below `folder`
    or at an address; the two below name the held-out parts."""
    validation_shards: str | None = None
    test_shards: str | None = None
    label_kind: LabelKind = Field(default="classes", exclude=True)
    """Not to be set: it follows from the recipe's objective. Readers and splits ask it."""
    modality: str
    dataset: str = "folder"
    """A shipped set, `shards`, or `folder`: the user's own data."""

    @property
    def several_labels(self) -> bool:
        """Whether a sample may have several labels."""
        return self.multi_label and self.label_kind == "classes"

    @property
    def annotated(self) -> bool:
        """Whether a sample carries an annotation of its pixels or points; the classes are then those of the
        annotation, and a sample's label is its category."""
        return self.label_kind == "dense"

    def unannotated(self) -> Self:
        """The section by which samples are read without their annotation: files to predict have none."""
        return self.model_copy(update={"label_kind": "classes"}) if self.annotated else self

    @property
    def few_shot(self) -> bool:
        """Whether few-shot episodes are drawn instead of the whole set."""
        return self.way is not None

    @property
    def model_classes(self) -> int | None:
        """Number of classes that a model tells apart, if it is known without the data."""
        return self.way or self.classes

    @property
    def sample_axes(self) -> tuple[int | str, ...]:
        """The axes of the array that one sample becomes: a size, or the name of the setting that has it."""
        return ()

    @model_validator(mode="after")
    def _sample_fits_memory(self) -> Self:
        settings = {axis: int(getattr(self, axis) or 1) for axis in self.sample_axes if isinstance(axis, str)}
        bytes_ = BYTES_A_VALUE * prod(settings.get(str(axis), axis) for axis in self.sample_axes)
        if (excess := BYTES.excess(int(bytes_))) is not None:
            names = ", ".join(f"data.{name}={size}" for name, size in settings.items())
            raise InputError("data", "sizes of a sample that fits into memory", f"{names}: {excess}", "lower them")
        return self

    @model_validator(mode="after")
    def _draws_agree(self) -> Self:
        self.require_one_draw()
        return self

    def require_one_draw(self) -> None:
        """Raise `InputError` for a few-shot setting without the others, and for two rules of what trains."""
        settings = {"data.way": self.way, "data.shot": self.shot}
        missing = [name for name, value in settings.items() if value is None]
        if len(missing) == 1:
            raise InputError(missing[0], "both data.way and data.shot", "none", f"set it with --set {missing[0]}=10")
        for name, value in {"data.query": self.query, "data.fold": self.fold or None}.items():
            if missing and value is not None:
                raise InputError(name, "data.way and data.shot beside it", "neither", "set both, or leave it out")
        if self.labels_per_class is not None and self.labels_in_all is not None:
            found = f"{self.labels_per_class} beside data.labels_in_all={self.labels_in_all}"
            raise InputError("data.labels_per_class", "one rule of what trains", found, "leave one of them out")
        others = {
            "data.labels_per_class": self.labels_per_class,
            "data.labels_in_all": self.labels_in_all,
            "data.held_out_fold": self.held_out_fold,
        }
        for name, other in others.items():
            if not missing and other is not None:
                expected = "none beside data.way and data.shot, which say what trains"
                raise InputError(name, expected, str(other), "leave one of them out")

    @property
    def procedural(self) -> bool:
        """Whether a rule made the samples, so that they are of no modality to a comparison."""
        return False
