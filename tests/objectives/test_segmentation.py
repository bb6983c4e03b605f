"""Segmentation: metrics against a confusion matrix counted by hand, windows by their definition, losses of parts."""

import sys
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from crosspath.config import Recipe, apply_overrides
from crosspath.data.annotations import NOT_LABELLED, OUTSIDE
from crosspath.data.examples import DataSet, Examples
from crosspath.objectives import Batch, objective_of
from crosspath.objectives.segmentation import (
    count_pixels,
    picture_logits,
    pixel_cross_entropies,
    require_torchmetrics,
    segmentation_metrics,
)
from crosspath.recipes import recipe_named
from tests.errors import refused

RECIPE = recipe_named("image/scenes")


def random_pictures(count: int, classes: int, seed: int) -> list[tuple[Tensor, Tensor]]:
    rng = np.random.default_rng(seed)
    pictures = []
    for _ in range(count):
        height, width = rng.integers(3, 20, 2)
        labels = rng.integers(0, classes - 1, (height, width))  # the last class stands nowhere
        labels[rng.random((height, width)) < 0.2] = NOT_LABELLED
        logits = rng.normal(size=(classes, height, width)).astype(np.float32)
        logits[:-1] += 2 * (labels == np.arange(classes - 1)[:, None, None])
        pictures.append((torch.from_numpy(logits), torch.from_numpy(labels)))
    return pictures


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_metrics_are_those_of_a_confusion_matrix_counted_by_hand(seed: int) -> None:
    pictures = random_pictures(5, 7, seed)
    confusion = np.zeros((7, 7), int)
    cost, pixels = 0.0, 0
    for logits, labels in pictures:
        for row in range(labels.shape[0]):
            for column in range(labels.shape[1]):
                own = int(labels[row, column])
                if own != NOT_LABELLED:
                    values = logits[:, row, column].double()
                    confusion[own, int(values.argmax())] += 1
                    cost -= float(values.log_softmax(0)[own])
                    pixels += 1
    ious = {}
    for label in range(7):
        union = confusion[label].sum() + confusion[:, label].sum() - confusion[label, label]
        if union:
            ious[f"iou/{label}"] = confusion[label, label] / union
    metrics = segmentation_metrics(torch.stack([count_pixels(*picture) for picture in pictures]).float())
    expected = {
        "miou": np.mean(list(ious.values())),
        "pixel_accuracy": np.trace(confusion) / confusion.sum(),
        "loss": cost / pixels,
        **ious,
    }
    assert metrics == pytest.approx(expected, rel=1e-6)


def test_torchmetrics_own_classes_agree() -> None:
    from torchmetrics.classification import MulticlassAccuracy, MulticlassJaccardIndex

    pictures = random_pictures(6, 5, 3)
    mean = MulticlassJaccardIndex(5, ignore_index=NOT_LABELLED)
    accuracy = MulticlassAccuracy(5, average="micro", ignore_index=NOT_LABELLED)
    for logits, labels in pictures:
        mean.update(logits[None], labels[None])
        accuracy.update(logits[None], labels[None])
    metrics = segmentation_metrics(torch.stack([count_pixels(*picture) for picture in pictures]))
    assert metrics["miou"] == pytest.approx(float(mean.compute()), rel=1e-6)
    assert metrics["pixel_accuracy"] == pytest.approx(float(accuracy.compute()), rel=1e-6)


def test_a_class_that_is_nowhere_does_not_enter_the_mean_and_nothing_labelled_gives_nothing() -> None:
    labels = torch.tensor([[0, 1], [1, NOT_LABELLED]])
    right = nn.functional.one_hot(labels.clamp(max=2), 3).permute(2, 0, 1).float()
    metrics = segmentation_metrics(count_pixels(right, labels)[None])
    assert metrics["miou"] == metrics["pixel_accuracy"] == 1.0
    assert "iou/2" not in metrics
    nothing = torch.full((2, 2), NOT_LABELLED)
    assert segmentation_metrics(count_pixels(right, nothing)[None]) == {}
    assert segmentation_metrics(torch.zeros(0, 4, 3)) == {}


class Doubled(nn.Module):
    """Logits of a window: its colours, twice its first, and how many windows it was given so far."""

    def __init__(self) -> None:
        super().__init__()
        self.windows: list[Tensor] = []

    def forward(self, batch: Tensor) -> Tensor:
        self.windows.extend(batch)
        return torch.cat([batch, 2 * batch[:, :1]], dim=1)


@pytest.mark.parametrize("size", [(32, 32), (40, 64), (20, 33), (7, 9), (96, 41)])
def test_each_pixel_is_read_and_has_the_mean_of_its_windows(size: tuple[int, int]) -> None:
    picture = torch.randn(3, *size)
    model = Doubled()
    logits = picture_logits(model, RECIPE, picture)
    torch.testing.assert_close(logits, torch.cat([picture, 2 * picture[:1]]))
    rows, columns = (int(np.ceil(max(side - 32, 0) / 21)) + 1 for side in size)
    assert len(model.windows) == rows * columns
    assert all(window.shape == (3, 32, 32) for window in model.windows)


def test_neighbouring_windows_are_averaged() -> None:
    class Numbered(Doubled):
        def forward(self, batch: Tensor) -> Tensor:
            numbers = len(self.windows) + torch.arange(len(batch)).float()
            self.windows.extend(batch)
            return numbers.view(-1, 1, 1, 1).expand(-1, 2, 32, 32)

    logits = picture_logits(Numbered(), RECIPE, torch.zeros(3, 32, 60))
    # Windows begin at 0, 21 and 28.
    expected = torch.cat([torch.full((21,), 0.0), torch.full((7,), 0.5), torch.full((4,), 1.0), torch.full((21,), 1.5)])
    torch.testing.assert_close(logits[0, 0], torch.cat([expected, torch.full((7,), 2.0)]))


def test_a_picture_is_resized_to_its_short_side_and_its_logits_back() -> None:
    recipe = apply_overrides(RECIPE, ("data.resize=48",))
    model = Doubled()
    smooth = torch.linspace(-1, 1, 96)[None, :, None] * torch.linspace(0, 1, 128)[None, None]
    logits = picture_logits(model, recipe, smooth.expand(3, -1, -1))
    assert logits.shape == (4, 96, 128)
    assert len(model.windows) == 2 * 3  # of 48 x 64 pixels
    torch.testing.assert_close(logits[0], smooth[0], atol=0.03, rtol=0)


def annotated_batch(sizes: list[tuple[int, int]]) -> Tensor:
    height, width = (max(size[axis] for size in sizes) for axis in (0, 1))
    batch = torch.randn(len(sizes), 4, height, width)
    batch[:, 3] = OUTSIDE
    for row, (own_height, own_width) in zip(batch, sizes, strict=True):
        row[3, :own_height, :own_width] = torch.randint(0, 5, (own_height, own_width)).float()
        row[3, 0, 0] = NOT_LABELLED
    return batch


def test_held_out_pictures_of_unequal_sizes_are_read_alone_without_their_annotation() -> None:
    sizes = [(40, 35), (50, 64), (33, 33)]
    batch = annotated_batch(sizes)
    torch.manual_seed(0)
    objective = objective_of(RECIPE)
    model = objective.build(RECIPE, 5).eval()
    outputs = objective.outputs(model, RECIPE, batch, torch.arange(3))
    assert outputs.shape == (3, 4, 5)
    assert outputs[:, 2].sum(dim=1).tolist() == [height * width - 1 for height, width in sizes]
    for row, (height, width) in enumerate(sizes):
        alone = objective.outputs(model, RECIPE, batch[row : row + 1, :, :height, :width], torch.arange(1))
        torch.testing.assert_close(alone[0], outputs[row])
    other = batch.clone()
    labelled = other[:, 3] < 5
    other[:, 3][labelled] = (other[:, 3][labelled] + 1) % 5
    predicted = objective.outputs(model, RECIPE, other, torch.arange(3))[:, 1]
    assert torch.equal(predicted, outputs[:, 1])


class Watched(nn.Module):
    """Notes what it is given."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.inputs: list[Tensor] = []

    @property
    def tokenizer(self) -> Any:
        return self.model.tokenizer

    def forward(self, batch: Tensor, *others: bool) -> Any:
        self.inputs.append(batch)
        return self.model(batch, *others)


@pytest.mark.parametrize("decoder", ["linear", "upernet"])
def test_the_loss_of_a_batch_is_that_of_its_parts_and_the_model_sees_colours_alone(decoder: str) -> None:
    width = ["segmentation.decoder_width=16"] if decoder == "upernet" else []
    recipe: Recipe = apply_overrides(
        RECIPE, (f"segmentation.decoder={decoder}", *width, "model.width=32", "model.depth=4")
    )
    torch.manual_seed(0)
    objective = objective_of(recipe)
    model = Watched(objective.build(recipe, 5)).eval()
    inputs = annotated_batch([(32, 32)] * 3)

    def losses(rows: slice) -> Tensor:
        batch = Batch(inputs=inputs[rows], targets=None, ids_B=torch.arange(3)[rows], epoch=0, batch_size=3)
        return objective.losses(model, recipe, batch)

    whole = losses(slice(0, 3))
    torch.testing.assert_close(torch.cat([losses(slice(0, 1)), losses(slice(1, 3))]), whole)
    assert all(given.shape[1] == 3 for given in model.inputs)
    assert torch.equal(model.inputs[0], inputs[:, :3])
    expected = pixel_cross_entropies(model.model(inputs[:, :3]), inputs[:, 3].long())
    assert (whole > expected).all() if decoder == "upernet" else torch.equal(whole, expected)


def test_pixels_without_a_label_cost_nothing() -> None:
    logits = torch.randn(2, 5, 4, 4)
    labels = torch.randint(0, 5, (2, 4, 4))
    labels[1] = NOT_LABELLED
    labels[0, :2] = NOT_LABELLED
    losses = pixel_cross_entropies(logits, labels)
    half = nn.functional.cross_entropy(logits[:1, :, 2:], labels[:1, 2:])
    torch.testing.assert_close(losses, torch.stack([half / 2, torch.zeros(())]))


def test_without_torchmetrics_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchmetrics", None)
    monkeypatch.setitem(sys.modules, "torchmetrics.functional", None)
    with refused("objective", "torchmetrics", "crosspath[segmentation]"):
        require_torchmetrics()


def test_parts_without_a_labelled_pixel_are_refused_before_the_first_step() -> None:
    """Else a run would end with a loss of 0 and without a metric."""
    objective, images = objective_of(RECIPE), np.zeros((3, 4, 4, 4), np.uint8)
    images[2, -1, 0] = 1
    assert objective.check is not None
    images[:2, -1] = NOT_LABELLED
    without, some = (Examples(images[rows], np.zeros(2, np.int64), ("a", "b")) for rows in (slice(2), slice(1, 3)))
    for parts, place in (((without, some, some), "training"), ((some, some, without), "test")):
        with refused(f"the {place} part", "labelled pixels", "data.ignored_values"):
            objective.check(RECIPE, DataSet("image", ("a", "b"), *parts, (), "", (), {}))
    objective.check(RECIPE, DataSet("image", ("a", "b"), some, some, some, (), "", (), {}))


def test_training_masks_of_one_class_alone_are_refused() -> None:
    """Such as 0 and 255, where the foreground is not labelled: their score would be perfect."""
    objective, images = objective_of(RECIPE), np.zeros((4, 4, 4, 4), np.uint8)
    assert objective.check is not None
    images[:, -1, :2] = NOT_LABELLED
    images[3, -1, 0] = 1
    ids = ("a", "b")
    one, both = (Examples(images[rows], np.zeros(2, np.int64), ids) for rows in (slice(2), slice(2, 4)))
    with refused("the training part", "two classes", "ground alone", "255"):
        objective.check(RECIPE, DataSet("image", ("ground", "cat"), one, both, both, (), "", (), {}))
    objective.check(RECIPE, DataSet("image", ("ground", "cat"), both, one, one, (), "", (), {}))
