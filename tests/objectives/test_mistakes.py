"""Pictures of a classifier: counted from its own answers, the most confident mistakes first, of every modality."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from crosspath.modalities import MODALITIES as MODALITIES_BY_NAME
from crosspath.objectives import drawing, mistakes
from crosspath.objectives.mistakes import MISTAKES
from crosspath.pictures.confusion import confusion_matrix
from tests.evaluation.masked_samples import examples_for
from tests.models.test_masked_autoencoder import MODALITIES, masked_recipe

CPU = torch.device("cpu")
NAMES = ("cat", "dog", "bird")


class Fixed(nn.Module):
    """Answers with given logits, one row after the other."""

    def __init__(self, logits_NK: Tensor) -> None:
        super().__init__()
        self.logits_NK, self.next = logits_NK, 0

    def forward(self, batch: Tensor) -> Tensor:
        assert not self.training
        rows = self.logits_NK[self.next : self.next + len(batch)]
        self.next += len(batch)
        return rows


@MODALITIES
def test_pictures_of_every_modality(modality: str, tmp_path: Path) -> None:
    examples = replace(examples_for(modality, 20), labels=np.arange(20) % 3)
    model = Fixed(torch.eye(3)[torch.zeros(20, dtype=torch.int64)])
    paths = MISTAKES.show(model.train(), masked_recipe(modality), examples, tmp_path, CPU, nullcontext, NAMES)
    assert model.training
    drawable = MODALITIES_BY_NAME[modality].picture is not None
    assert {path.name for path in paths} == ({"confusion.png", "mistakes.png"} if drawable else {"confusion.png"})
    expected = np.zeros((3, 3), int)
    expected[:, 0] = 7, 7, 6
    assert np.array_equal(np.asarray(Image.open(paths[0])), np.asarray(confusion_matrix(expected, NAMES)))
    for path in paths:
        with Image.open(path) as picture:
            assert np.asarray(picture).std() > 5
            assert path.stat().st_size < 200_000


def test_the_most_confident_mistakes_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    titles: list[str] = []
    plain = mistakes.fit_picture

    def keep(picture: np.ndarray, *sizes: int) -> np.ndarray:
        titles.append(str(int(picture[0, 0, 0])))
        return plain(picture, *sizes)

    monkeypatch.setattr(mistakes, "fit_picture", keep)
    examples = replace(examples_for("image", 5), labels=np.array([0, 1, 2, 0, 1]))
    examples.inputs[:] = np.arange(5, dtype=np.uint8)[:, None, None, None] * 40
    logits = torch.tensor([[0.0, 2, 0], [0, 9, 0], [0, 4, 0], [3, 0, 0], [1.0, 0, 0]])  # wrong: samples 0, 2 and 4
    MISTAKES.show(Fixed(logits), masked_recipe("image"), examples, tmp_path, CPU, nullcontext, NAMES)
    assert titles == ["80", "0", "160"]


def test_without_mistakes_there_is_no_picture_of_them(tmp_path: Path) -> None:
    examples = examples_for("image", 4)
    model = Fixed(torch.eye(3)[[0, 0, 0, 0]])
    paths = MISTAKES.show(model, masked_recipe("image"), examples, tmp_path / "new", CPU, nullcontext, NAMES)
    assert [path.name for path in paths] == ["confusion.png"]


def test_a_large_part_is_read_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "MOST_SAMPLES", 7)
    model = Fixed(torch.eye(3)[torch.zeros(90, dtype=torch.int64)])
    MISTAKES.show(model, masked_recipe("image"), examples_for("image", 90), tmp_path, CPU, nullcontext, NAMES)
    assert model.next == 7


def test_of_thousands_of_classes_those_that_occur_are_drawn(tmp_path: Path) -> None:
    classes = 20_000
    examples = replace(examples_for("image", 4), labels=np.array([7, 19_000, 7, 300]))
    logits_NK = torch.zeros(4, classes)
    logits_NK[range(4), [7, 7, 300, 300]] = 9.0
    names = [f"class {number}" for number in range(classes)]
    paths = MISTAKES.show(Fixed(logits_NK), masked_recipe("image"), examples, tmp_path, CPU, nullcontext, names)
    expected = confusion_matrix(np.array([[1, 1, 0], [0, 1, 0], [1, 0, 0]]), ("class 7", "class 300", "class 19000"))
    assert np.array_equal(np.asarray(Image.open(paths[0])), np.asarray(expected))
