"""Checking a certificate again: whole, moved, tampered with in every way, and with the data of the user's own."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

import crosspath
from crosspath import InputError
from crosspath.checkpoints import Checkpoint, auxiliary_source, load_checkpoint, merge_checkpoint, save_checkpoint
from crosspath.checkpoints.sharing.certificate import with_digest
from crosspath.files import read_tensors, write_manifest
from crosspath.pathway import connect
from tests.checkpoints.small import connected_digits, fresh, saved_audio
from tests.data.files import write_image
from tests.errors import refused


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `audio`, `image` (connected) and `plain` (merged, with its certificate)."""
    folder = tmp_path_factory.mktemp("made")
    connected_digits(folder)
    merge_checkpoint(folder / "image", folder / "plain", verify=True)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    shutil.copytree(made, tmp_path / "here")
    return tmp_path / "here"


def fault(folder: Path, **options: Any) -> str:
    with pytest.raises(InputError) as raised:
        crosspath.verify(folder / "plain" / "certificate.json", **options)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def resigned(folder: Path, **changes: Any) -> None:
    """A certificate with other values and a digest that fits them."""
    file = folder / "plain" / "certificate.json"
    file.write_text(json.dumps(with_digest({**json.loads(file.read_text()), **changes})))


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def remade(folder: Path) -> None:
    """The manifest of `plain`, after a change that it would show."""
    names = [file.name for file in folder.iterdir() if file.name not in ("manifest.json", "README.md")]
    write_manifest(folder, names)


def test_a_whole_certificate_holds(folder: Path) -> None:
    for path in (folder / "plain" / "certificate.json", folder / "plain"):
        report = crosspath.verify(path)
        assert report["notes"] == []
        assert report["outputs"]["float32"] == {"bitwise": True, "max_difference": 0.0, "same_class": 1.0}
        for checked in (
            "the certificate",
            "the merged weights",
            "the stored logits",
            "the target's model.safetensors",
            "the target's pathway.safetensors",
            "the auxiliary audio",
            "the merged tensors",
            "the samples",
            "merged outputs in bfloat16 (bitwise as stored)",
            "connected outputs in float32",
        ):
            assert checked in report["checked"]


def test_a_merged_folder_that_went_its_way_alone_is_checked_alone(folder: Path, tmp_path: Path) -> None:
    (folder / "plain").rename(tmp_path / "alone")
    report = crosspath.verify(tmp_path / "alone")
    assert sum("no longer at" in note for note in report["notes"]) == 5
    assert "the merged tensors" in report["checked"]
    assert report["outputs"]["float32"]["bitwise"]


def test_a_changed_byte_of_any_file_is_named(folder: Path) -> None:
    for name, message in (
        ("plain/model.safetensors", "the merged weights changed (model.safetensors: other bytes)"),
        ("plain/certificate.safetensors", "the stored logits changed"),
        ("image/model.safetensors", "the target's model.safetensors changed (../image/model.safetensors: other bytes)"),
        ("image/pathway.safetensors", "the target's pathway.safetensors changed"),
        ("image/recipe.yaml", "the target's recipe.yaml changed"),
        ("audio/model.safetensors", "the auxiliary audio changed"),
    ):
        file = folder / name
        whole = file.read_bytes()
        file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        assert message in fault(folder)
        file.write_bytes(whole)
    assert crosspath.verify(folder / "plain")["outputs"]


def test_a_file_missing_from_its_folder_is_named(folder: Path) -> None:
    (folder / "plain" / "certificate.safetensors").unlink()
    (folder / "image" / "pathway.json").unlink()
    message = fault(folder)
    assert "the stored logits missing (certificate.safetensors)" in message
    assert "the target's pathway.json missing" in message  # all faults in one line


@pytest.mark.parametrize("change", [lambda file: file.write_text(file.read_text() + "#\n"), Path.unlink])
def test_a_recipe_that_an_older_certificate_does_not_list_is_held_against_the_manifest(
    change: Callable[[Path], object], folder: Path
) -> None:
    target = json.loads((folder / "plain" / "certificate.json").read_text())["target"]
    resigned(folder, target=[entry for entry in target if entry["file"] != "recipe.yaml"])
    remade(folder / "plain")
    change(folder / "image" / "recipe.yaml")
    assert "recipe.yaml" in fault(folder)


def test_a_changed_certificate_is_refused(folder: Path) -> None:
    file = folder / "plain" / "certificate.json"
    text = file.read_text()
    file.write_text(text.replace('"bitwise": true', '"bitwise": false', 1))
    assert "expected the certificate as it was written, found a changed one" in fault(folder)
    file.write_text(text[:-40])
    assert "expected JSON" in fault(folder)
    file.write_text('{"certificate": "birth"}')
    assert "expected a merge certificate" in fault(folder)
    file.unlink()
    assert "expected a JSON file" in fault(folder)


def test_one_changed_weight_is_seen_where_every_digest_of_a_file_was_forged(folder: Path) -> None:
    file = folder / "plain" / "model.safetensors"
    tensors, metadata = read_tensors(file)
    tensors["head.linear.bias"][0] += 1e-3
    save_file(tensors, file, {"format": "pt", **metadata})
    remade(folder / "plain")
    result = {"path": "model.safetensors", "sha256": digest(file)}
    resigned(folder, result=result)
    remade(folder / "plain")
    assert "the merged tensors differ" in fault(folder)


def test_outputs_are_compared_within_tolerance_on_another_machine(folder: Path) -> None:
    """Logits as another machine would have stored them: a little apart, then too far."""
    file = folder / "plain" / "certificate.safetensors"
    certificate = json.loads((folder / "plain" / "certificate.json").read_text())
    stored = load_file(file)
    for off, accepted in ((1e-5, True), (1e-2, False)):
        save_file({**stored, "after.float32": stored["after.float32"] + off}, file)
        environment = {**certificate["environment"], "processor": "another"}
        resigned(folder, logits={**certificate["logits"], "sha256": digest(file)}, environment=environment)
        remade(folder / "plain")
        if accepted:
            report = crosspath.verify(folder / "plain")
            assert report["outputs"]["float32"]["bitwise"] is False
            assert report["outputs"]["float32"]["max_difference"] == pytest.approx(off, rel=0.05)
            assert any("processor" in note for note in report["notes"])
        else:
            assert "merged outputs in float32 differ by 0.01" in fault(folder)


def test_a_certificate_in_parts_is_refused_whoever_signed_it(folder: Path) -> None:
    certificate = json.loads((folder / "plain" / "certificate.json").read_text())
    for name in ("outputs", "batch", "logits", "auxiliaries", "result", "tensors", "environment", "target"):
        for other in (None, "text", [], {}):
            if name in {"auxiliaries", "environment"} and other == {}:
                continue  # such a certificate says less, and is one
            resigned(folder, **{name: other})
            assert "expected a complete certificate" in fault(folder), (name, other)
            resigned(folder, **{name: certificate[name]})
    (folder / "plain" / "certificate.json").write_text(json.dumps(with_digest({"certificate": "merge"})))
    assert "format_version None" in fault(folder)


def test_a_certificate_of_a_later_format_is_refused(folder: Path) -> None:
    resigned(folder, format_version=2)
    assert "expected format_version 1, found format_version 2; update crosspath" in fault(folder)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """The user's own folder of two classes, and a connected checkpoint of it."""
    for part, count in (("train", 4), ("val", 2), ("test", 3)):
        for label, level in (("dark", 40), ("light", 200)):
            place = tmp_path / "pictures" / part / label
            place.mkdir(parents=True)
            for number in range(count):
                write_image(place / f"{number}.png", level + number, (16, 16))
    recipe = crosspath.recipe_named("image/folder")
    recipe = recipe.model_copy(
        update={"data": recipe.data.model_copy(update={"folder": tmp_path / "pictures", "image_size": 8})}
    )
    saved_audio(tmp_path / "audio")
    model = fresh(recipe, 2)
    source = auxiliary_source(tmp_path / "audio")
    connect(model, {"audio": source.weights}, scale_init=0.1)
    save_checkpoint(
        model,
        tmp_path / "image",
        recipe=recipe,
        classes=("dark", "light"),
        auxiliaries={"audio": source.record()},
    )
    return tmp_path / "pictures"


def test_a_folder_of_the_user_s_own_is_found_again_or_named(pictures: Path, tmp_path: Path) -> None:
    receipt = merge_checkpoint(tmp_path / "image", tmp_path / "plain", verify=True)
    assert receipt["certificate"]["samples"] == 6  # all there are
    assert str(tmp_path) not in (tmp_path / "plain" / "certificate.json").read_text()
    assert crosspath.verify(tmp_path / "plain")["outputs"]["float32"]["bitwise"]

    moved = tmp_path / "moved"
    pictures.rename(moved)
    report = crosspath.verify(tmp_path / "plain")
    assert report["outputs"] is None
    assert any("outputs not checked; pass --data DIR" in note for note in report["notes"])
    assert crosspath.verify(tmp_path / "plain", moved)["outputs"]["float32"]["bitwise"]
    with pytest.raises(InputError):
        crosspath.verify(tmp_path / "plain", tmp_path / "nowhere")

    (moved / "test" / "dark" / "1.png").rename(moved / "test" / "dark" / "other.png")
    with refused("moved", "found none", "test/dark/1.png"):
        crosspath.verify(tmp_path / "plain", moved)


def test_other_pictures_under_the_same_names_are_seen(pictures: Path, tmp_path: Path) -> None:
    merge_checkpoint(tmp_path / "image", tmp_path / "plain", verify=True)
    write_image(pictures / "test" / "dark" / "0.png", 250, (16, 16))
    assert "merged outputs in float32 differ" in fault(tmp_path)


def test_a_connected_model_that_no_longer_equals_the_merged_one_is_a_fault(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All files are whole, and this machine computes the two differently."""

    def loaded(path: Path) -> Checkpoint:
        checkpoint = load_checkpoint(path)
        if checkpoint.connected:
            checkpoint.model.get_parameter("head.linear.bias").data[0] += 1e-6
        return checkpoint

    monkeypatch.setattr("crosspath.checkpoints.sharing.certificate.load_checkpoint", loaded)
    assert "connected and merged outputs in float32 are no longer equal" in fault(folder)
