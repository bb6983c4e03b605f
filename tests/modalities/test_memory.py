"""Data in memory: which forms are taken, that they mean the same, and what is refused."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import TensorDataset, random_split

from crosspath.config.data import AudioData, DataSection, ImageData, PointData, TextData, VideoData
from crosspath.data.log_mel import log_mel
from crosspath.modalities.load import load_data
from crosspath.modalities.memory import decode_object, in_memory_section, memory_store
from crosspath.modalities.split import split_store
from tests.errors import refused

SECTION = ImageData(image_size=6)
PIXELS = np.random.default_rng(0).integers(0, 256, (30, 6, 6, 3)).astype(np.uint8)
LABELS = np.arange(30) % 3


class Columns(list[dict[str, Any]]):
    """As a Hugging Face data set shows itself."""

    column_names = ("image", "label")

    def __init__(self, names: list[str] | None) -> None:
        super().__init__(
            {"image": Image.fromarray(pixels), "label": int(y)} for pixels, y in zip(PIXELS, LABELS, strict=True)
        )
        self.features = {"image": object(), "label": type("ClassLabel", (), {"names": names})()}

    def __getitem__(self, key: Any) -> Any:
        return [row["label"] for row in self] if key == "label" else super().__getitem__(key)


CHANNELS_FIRST = torch.from_numpy(PIXELS).permute(0, 3, 1, 2)
FORMS: dict[str, Any] = {
    "arrays": (PIXELS, LABELS),
    "lists": (list(PIXELS), [str(label) for label in LABELS]),
    "floats": (PIXELS / 255, LABELS.astype(float)),
    "tensors": (CHANNELS_FIRST, torch.from_numpy(LABELS)),
    "data set": TensorDataset(CHANNELS_FIRST, torch.from_numpy(LABELS)),
    "pairs": [(Image.fromarray(pixels), label) for pixels, label in zip(PIXELS, LABELS, strict=True)],
    "columns": Columns(None),
    "bunch": {"data": PIXELS.reshape(30, -1), "images": PIXELS, "target": LABELS, "target_names": np.arange(3)},
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_the_same_data(form: str) -> None:
    store, first = memory_store(SECTION, FORMS[form]), memory_store(SECTION, FORMS["arrays"])
    assert np.array_equal(store.inputs, PIXELS.transpose(0, 3, 1, 2))
    assert store.labels.tolist() == LABELS.tolist()
    assert store.classes == ("0", "1", "2")
    assert store.digest == first.digest
    assert memory_store(SECTION, (PIXELS, LABELS[::-1])).digest != store.digest


def test_names_of_classes_are_those_of_the_data() -> None:
    assert memory_store(SECTION, Columns(["cat", "dog", "eel", "fox"])).classes == ("cat", "dog", "eel", "fox")
    named = TensorDataset(CHANNELS_FIRST, torch.from_numpy(LABELS))
    named.classes = ["cat", "dog", "eel"]  # type: ignore[attr-defined]
    assert memory_store(SECTION, random_split(named, [20, 10])[0]).classes == ("cat", "dog", "eel")
    words = ["10", "9", "b", "a"]
    assert memory_store(SECTION, (PIXELS[:4], words)).classes == ("9", "10", "a", "b")


def test_parts_stay_and_missing_ones_are_drawn() -> None:
    data = {"train": (PIXELS[:20], LABELS[:20]), "Test": (PIXELS[20:], LABELS[20:])}
    store = memory_store(SECTION, data)
    parts = split_store(in_memory_section(SECTION, store), store, seed=0)
    assert (len(parts.train), len(parts.validation), len(parts.test)) == (17, 3, 10)
    assert np.array_equal(parts.test.inputs[np.arange(10)], PIXELS[20:].transpose(0, 3, 1, 2))
    whole = memory_store(SECTION, (PIXELS, LABELS))
    drawn = split_store(in_memory_section(SECTION, whole), whole, seed=0)
    assert (len(drawn.train), len(drawn.validation), len(drawn.test)) == (21, 3, 6)
    assert drawn.fingerprint == split_store(in_memory_section(SECTION, whole), whole, seed=1).fingerprint


def test_samples_without_labels_are_of_one_class() -> None:
    store = memory_store(SECTION, PIXELS)
    assert (store.classes, set(store.labels.tolist())) == (("unlabelled",), {0})


WAVE = np.sin(np.arange(8000) / 20).astype(np.float32)


@pytest.mark.parametrize(
    ("section", "value", "expected"),
    [
        (AudioData(frames=20, mels=32), WAVE, None),
        (AudioData(frames=20, mels=32), np.stack([WAVE, WAVE]), None),
        (AudioData(frames=20, mels=32), {"array": WAVE, "sampling_rate": 16000}, None),
        (AudioData(frames=20, mels=32), (torch.from_numpy(WAVE), 16000), None),
        (PointData(points=3, normalise=False), np.eye(4)[:, :3], None),
        (TextData(length=4, kinds=2), [0, 1, 3, 2], [0, 1, 3, 2]),
        (VideoData(frames=2, image_size=2), np.full((4, 4, 2, 3), 7, np.uint8), np.full((3, 2, 2, 2), 7)),
        (VideoData(frames=2, image_size=2), np.full((3, 4, 2, 4), 7, np.uint8), np.full((3, 2, 2, 2), 7)),
    ],
)
def test_a_sample_is_what_its_file_would_be(section: DataSection, value: Any, expected: Any) -> None:
    sample = decode_object(section, value)
    if isinstance(section, AudioData):
        centred = torch.from_numpy(WAVE - WAVE.mean())[None]
        expected = log_mel(centred, 16000, 32)[0].numpy()[:20]
        assert np.allclose(sample, expected, atol=1e-4)
        assert np.array_equal(decode_object(section, sample), sample)
    elif isinstance(section, PointData):
        assert sample.shape == (3, 3)
        assert {tuple(row) for row in sample.tolist()} < {tuple(row) for row in value.tolist()}
    else:
        assert np.array_equal(sample, expected)


class Random(torch.utils.data.Dataset[Any]):
    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Any:
        return torch.rand(3, 6, 6), index % 2


@pytest.mark.parametrize(
    ("data", "where", "value"),
    [
        ((PIXELS, LABELS[:3]), "data", 3),
        ((PIXELS[:2], [0.5, 1.5]), "data", 0.5),
        ((PIXELS[:2], [[0, 1], [1, 0]]), "data", "one label a sample"),
        ((PIXELS.astype(float), LABELS), "data, sample 0", "floats"),
        ((PIXELS.reshape(30, 108), LABELS), "data, sample 0", "(108,)"),
        (Random(), "data, sample 0", "transforms"),
        (torch.utils.data.DataLoader(Random()), "data", "DataLoader"),
        (7, "data", "int"),
        ({}, "data", "mapping"),
        ({"train": (PIXELS, LABELS), "fold": (PIXELS, LABELS)}, "data", "fold"),
        ({"train": (PIXELS, LABELS), "test": PIXELS}, "data", "labels"),
        ([{"pixels": 1, "mask": 2, "label": 0}], "data", "pixels"),
        ([(PIXELS[0],), (PIXELS[1],)], "data", "1 entry"),
        ([(PIXELS[0], 16000, 1), (PIXELS[1], 22050, 0)], "data", "3 entries"),
        ((PIXELS[:0], LABELS[:0]), "data", "samples"),
    ],
)
def test_what_is_no_data_is_refused(data: Any, where: str, value: Any) -> None:
    with refused(where, value):
        memory_store(SECTION, data)


def test_streamed_recipes_and_files_are_refused() -> None:
    with refused("data.stream"):
        memory_store(SECTION.model_copy(update={"stream": True}), (PIXELS, LABELS))
    store = memory_store(SECTION, (PIXELS, LABELS))
    with refused("data", "memory"):
        load_data(in_memory_section(SECTION, store), None, 0)


def test_labels_of_another_model_are_refused() -> None:
    assert memory_store(SECTION, (PIXELS, LABELS), ("1", "0", "2")).labels[:3].tolist() == [1, 0, 2]
    with refused("data", "2"):
        memory_store(SECTION, (PIXELS, LABELS), ("1", "0"))


class Tags(Columns):
    """As a Hugging Face data set with lists of class numbers shows itself."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(names)
        for row, item in enumerate(self):
            item["label"] = [row % 4, 3]
        self.features["label"] = type("Sequence", (), {"feature": type("ClassLabel", (), {"names": names})()})()


SEVERAL = ImageData(image_size=6, multi_label=True)


def test_lists_of_classes_and_vectors_of_zeros_and_ones_are_told_apart() -> None:
    store = memory_store(SEVERAL, Tags(["cat", "dog", "eel", "fox"]))
    assert store.classes == ("cat", "dog", "eel", "fox")
    assert store.labels[:4].tolist() == [[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 1, 1], [0, 0, 0, 1]]
    store = memory_store(SEVERAL, (PIXELS[:2], [[27], [2, 10]]))
    assert (store.classes, store.labels.tolist()) == (("2", "10", "27"), [[0, 0, 1], [1, 1, 0]])
    words = [["cat"], ["dog", "cat"]]
    assert memory_store(SEVERAL, (PIXELS[:2], words)).labels.tolist() == [[1, 0], [1, 1]]
    marks = np.array([[1, 0, 1], [0, 1, 0]])
    for labels in (marks, marks.tolist(), torch.from_numpy(marks)):
        assert memory_store(SEVERAL, (PIXELS[:2], labels)).labels.tolist() == marks.tolist()
    with refused("data", "a single 0 or 1"):
        memory_store(SEVERAL, (PIXELS[:2], [[0], [1]]))


def test_one_label_a_sample_is_a_list_of_one_where_there_may_be_several() -> None:
    labels = memory_store(SEVERAL, (PIXELS, LABELS)).labels
    assert labels.shape == (30, 3)
    assert (labels.argmax(1) == LABELS).all()
    assert (labels.sum(1) == 1).all()
