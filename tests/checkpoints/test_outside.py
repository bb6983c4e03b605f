"""A checkpoint or recipe from elsewhere reaches nothing outside its folder; the user's own keeps working."""

import json
import os
from pathlib import Path

import pytest

from crosspath import own
from crosspath.checkpoints import load_checkpoint, save_checkpoint
from crosspath.checkpoints.outside import data_section
from crosspath.config import Recipe, apply_overrides
from crosspath.config.recipe import validate
from crosspath.evaluation import evaluate
from crosspath.files import MANIFEST, check_manifest, read_json, write_json, write_manifest
from crosspath.pathway import load_pathway
from crosspath.recipes import recipe_named
from crosspath.study.definition import Study
from tests.checkpoints.small import fresh, image_recipe, saved_audio, saved_connected, saved_image
from tests.errors import refused


def from_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """From now on this is another user's machine."""
    monkeypatch.setenv("CROSSPATH_STATE", str(tmp_path / "another"))


@pytest.mark.parametrize(
    "name", ["../x", "/x", "a/../../x", "..", "a//b", "a\\..\\x", "C:x", "x\0", "x\033[2J", "n" * 300]
)
def test_a_name_leads_out_of_no_folder(name: str) -> None:
    tree = {**image_recipe().model_dump(mode="json"), "name": name}
    with refused("name"):
        validate(tree)
    for fields in ({"name": name}, {"auxiliaries": {name: "a"}}, {"variants": {name: []}}):
        with pytest.raises(ValueError, match="leads out of no folder"):
            Study.model_validate({"targets": {"image/digits": {}}, **fields})


def folder_recipe(folder: Path) -> Recipe:
    return apply_overrides(recipe_named("image/folder"), (f"data.folder={folder}", f"data.cache_folder={folder}-cache"))


def test_recorded_data_are_read_only_for_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = folder_recipe(tmp_path / "private")
    save_checkpoint(fresh(recipe, 2), tmp_path / "run", recipe=recipe, classes=("a", "b"))
    mine = load_checkpoint(tmp_path / "run")
    assert data_section(mine.recipe, None, mine.path, own=mine.own) == recipe.data

    (tmp_path / "run").rename(tmp_path / "moved")
    assert load_checkpoint(tmp_path / "moved").own

    from_elsewhere(monkeypatch, tmp_path)
    theirs = load_checkpoint(tmp_path / "moved")
    with refused("data.folder", tmp_path / "private", "--data"):
        evaluate(theirs)
    named = data_section(theirs.recipe, tmp_path / "mine", theirs.path, own=theirs.own)
    assert (named.folder, named.cache_folder) == (tmp_path / "mine", None)
    assert load_checkpoint(tmp_path / "moved", recipe=recipe).own


def test_a_frozen_auxiliary_elsewhere_is_read_only_where_the_command_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved_audio(tmp_path / "audio")
    saved_connected(tmp_path / "image", tmp_path / "audio", train_auxiliary=False)
    load_checkpoint(tmp_path / "image")
    from_elsewhere(monkeypatch, tmp_path)
    with refused("auxiliary audio", f"--auxiliary audio={tmp_path / 'audio'}"):
        load_checkpoint(tmp_path / "image")
    load_checkpoint(tmp_path / "image", auxiliaries={"audio": tmp_path / "audio"})


def test_nothing_is_fetched_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved_audio(tmp_path / "audio")
    saved_connected(tmp_path / "image", tmp_path / "audio", train_auxiliary=False)
    weights = tmp_path / "image" / "model.safetensors"
    # Of the same length, so that the header stays the header.
    origin = str((tmp_path / "audio").resolve())
    weights.write_bytes(weights.read_bytes().replace(origin.encode(), "hf:".ljust(len(origin), "x").encode()))
    write_manifest(tmp_path / "image", ["model.safetensors"])
    monkeypatch.setattr("crosspath.checkpoints.load.hub_auxiliary", lambda spec: pytest.fail(f"fetched {spec}"))
    with refused("auxiliary audio", "--auxiliary"):
        load_checkpoint(tmp_path / "image")


@pytest.mark.parametrize("name", ["/etc/hostname", "../other/file"])
def test_a_manifest_names_files_of_its_folder(name: str, tmp_path: Path) -> None:
    saved_image(tmp_path / "run")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    manifest = read_json(tmp_path / "run" / MANIFEST)
    write_json(tmp_path / "run" / MANIFEST, {**manifest, "files": {name: "0"}})
    with refused(MANIFEST, name):
        check_manifest(tmp_path / "run")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("name", ["pathway.json", "pathway.safetensors", "manifest.json"])
def test_a_pipe_is_waited_for_nowhere(name: str, tmp_path: Path) -> None:
    saved_audio(tmp_path / "audio")
    saved_connected(tmp_path / "image", tmp_path / "audio")
    (tmp_path / "image" / MANIFEST).unlink()
    (tmp_path / "image" / name).unlink(missing_ok=True)
    os.mkfifo(tmp_path / "image" / name)
    if name == "manifest.json":
        check_manifest(tmp_path / "image")
        return
    with refused(name):
        load_checkpoint(tmp_path / "image")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_an_auxiliary_that_is_a_pipe_is_refused(tmp_path: Path) -> None:
    saved_audio(tmp_path / "audio")
    model = saved_connected(tmp_path / "image", tmp_path / "audio" / "model.safetensors", train_auxiliary=False)
    description = json.loads((tmp_path / "image" / "pathway.json").read_text())
    os.mkfifo(tmp_path / "pipe.safetensors")
    for path in (tmp_path / "pipe.safetensors", Path("/dev/zero")):
        description["auxiliaries"]["audio"]["file"] = str(path)
        (tmp_path / "image" / "pathway.json").write_text(json.dumps(description))
        with refused(path.name):
            load_pathway(model, tmp_path / "image")


def test_where_nothing_can_be_noted_nothing_is_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("CROSSPATH_STATE", str(tmp_path / "file"))
    own.remember(tmp_path / "file")
    assert not own.is_own(tmp_path / "file")
