"""Dividing annotated samples into what the model reads and what it is to say about it, and which classes they lack."""

from collections.abc import Mapping
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from crosspath.config.data import DataSection
from crosspath.data.examples import DataSet
from crosspath.modalities.table import modality_of


def divide(section: DataSection, batch: Tensor) -> tuple[Tensor, Tensor]:
    """A prepared batch of annotated samples, (B, 4, H, W) or (B, P, 4), as the model's inputs, (B, 3, H, W) or
    (B, P, 3), and classes int64, (B, H, W) or (B, P): `NOT_LABELLED` of what has none.
    """
    axis = annotation_axis(section) + 1
    values = batch.shape[axis] - 1
    return batch.narrow(axis, 0, values), batch.select(axis, values).to(torch.int64)


def as_model_reads(section: DataSection, batch: Tensor) -> Tensor:
    """A prepared batch without annotations, of the shape that the model reads: of larger pictures a corner, of smaller
    ones padded with zeros. A batch without annotations comes back as it is."""
    if not section.annotated:
        return batch
    inputs, _ = divide(section, batch)
    shape = modality_of(section).sample_shape(section)
    missing = [max(length - side, 0) for length, side in zip(shape, inputs.shape[1:], strict=True)]
    padded = functional.pad(inputs, [side for size in reversed(missing) for side in (0, size)])
    return padded[(slice(None), *(slice(size) for size in shape))]


def annotated_shape(section: DataSection) -> tuple[int, ...]:
    """The shape of a training sample that the model is given, with its annotation."""
    shape = list(modality_of(section).sample_shape(section))
    if section.annotated:
        shape[annotation_axis(section)] += 1
    return tuple(shape)


def annotation_axis(section: DataSection) -> int:
    """The axis of a sample along which its annotation stands after its values."""
    axis = modality_of(section).annotation_axis
    assert section.annotated, section.modality
    assert axis is not None, section.modality
    return axis


def absent_classes(section: DataSection, data: DataSet, values: Mapping[str, NDArray[Any]]) -> list[str]:
    """Notes on classes of pixels, and given parts of points, that the training part has none of; none where samples are
    not annotated. `values` are the different values of each sample's annotation, by its name.
    """
    if not section.annotated:
        return []
    pairs = {
        (label, value)
        for name, label in zip(data.train.ids, data.train.labels.tolist(), strict=True)
        for value in values.get(name, ())
    }
    return modality_of(section).absent(section, data.classes, pairs)
