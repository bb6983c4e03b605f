"""A text model from its files to its predictions: trained, merged, moved and exported, with the tokenizer beside it."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import crosspath
from crosspath.cli.main import main
from crosspath.config import apply_overrides
from crosspath.data.views.augment import trim
from crosspath.evaluation.exportable import Exportable, generated_samples
from crosspath.modalities.batches import prepare_held_out
from crosspath.modalities.load import load_data
from crosspath.models.build import build_model
from crosspath.recipes import recipe_named
from tests.data.texts import tokenizer_folder, write_table
from tests.errors import refused

SMALL = {"model.width": 16, "model.depth": 1, "model.heads": 2, "train.epochs": 1, "data.length": 24}
TEXT = "who has lost the map"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table, a tokenizer, a pretrained model, and a classifier that has it as an auxiliary."""
    folder = tmp_path_factory.mktemp("text")
    write_table(folder / "data" / "table.csv", 12)
    settings = {**SMALL, "data.tokenizer": str(tokenizer_folder(folder / "tokenizer"))}
    settings["data.cache_folder"] = str(folder / "cache")
    options: dict[str, Any] = {"data": folder / "data", "settings": settings, "progress": False}
    crosspath.pretrain("text/folder", out=folder / "pretrained", **options)
    crosspath.train("text/folder", out=folder / "run", auxiliaries={"own": folder / "pretrained"}, **options)
    crosspath.merge_checkpoint(folder / "run", folder / "plain")
    return folder


def test_texts_that_are_all_damaged_are_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "set" / name).mkdir(parents=True)
        for number in range(4):
            (tmp_path / "set" / name / f"{number}.txt").write_text("")
    section = recipe_named("text/folder").data.model_copy(
        update={"folder": tmp_path / "set", "cache_folder": tmp_path / "cache"}
    )
    for skip in (False, True):
        with refused("set", "0 train, 0 val, 0 test") if skip else refused("a/0.txt", "7 more", "restore it"):
            load_data(section.model_copy(update={"skip_damaged": skip}), None, 0)


def test_the_tokenizer_goes_with_checkpoints_wherever_they_go(place: Path, tmp_path: Path) -> None:
    expected = crosspath.predict(place / "run", [TEXT])
    assert crosspath.predict(place / "plain", [TEXT]) == expected
    shutil.copytree(place / "plain", tmp_path / "elsewhere")
    (place / "tokenizer").rename(place / "moved")
    try:
        assert crosspath.predict(tmp_path / "elsewhere", [TEXT]) == expected
        (tmp_path / "elsewhere" / "tokenizer.json").unlink()
        manifest = tmp_path / "elsewhere" / "manifest.json"
        manifest.unlink()
        with refused("tokenizer.json", "none"):
            crosspath.predict(tmp_path / "elsewhere", [TEXT])
    finally:
        (place / "moved").rename(place / "tokenizer")


def test_recipes_say_which_tokenizer_a_model_was_trained_with(place: Path) -> None:
    recipe = recipe_named(place / "run" / "recipe.yaml")
    assert recipe.data.tokenizer_sha256 == crosspath.load_checkpoint(place / "plain").recipe.data.tokenizer_sha256
    assert recipe.data.vocabulary_size == 200
    own, head = (crosspath.load_checkpoint(place / name).model for name in ("pretrained", "run"))
    assert own.tokenizer.embedding.weight.shape == head.tokenizer.embedding.weight.shape == (200, 16)


def test_saved_pretrained_folders_have_the_tokenizer(place: Path, tmp_path: Path) -> None:
    model = crosspath.load_pretrained(place / "plain")
    model.save_pretrained(tmp_path / "saved")
    again = crosspath.load_pretrained(tmp_path / "saved")
    ids = torch.tensor([[2, 30, 31, 3]])
    assert torch.equal(again(ids), model(ids))
    assert (tmp_path / "saved" / "tokenizer.json").read_bytes() == (place / "plain" / "tokenizer.json").read_bytes()


def test_predict_reads_texts_tables_and_files(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "one.txt").write_text(TEXT)
    (tmp_path / "two.csv").write_text(f'text,label\n"{TEXT}",question\n"there is\na letter",statement\n')
    assert (
        main(["predict", str(place / "plain"), TEXT, str(tmp_path / "one.txt"), str(tmp_path / "two.csv"), "--json"])
        == 0
    )
    entries = json.loads(capsys.readouterr().out)["files"]
    names = [entry["file"] for entry in entries]
    assert names == [TEXT, str(tmp_path / "one.txt"), f"{tmp_path / 'two.csv'} row 2", f"{tmp_path / 'two.csv'} row 3"]
    assert entries[0]["predictions"] == entries[1]["predictions"] == entries[2]["predictions"]
    [long] = crosspath.predict(place / "plain", [" ".join([TEXT] * 20)])
    assert long["notes"] == ["cut to 24 of its 162 tokens"]
    assert "notes" not in entries[0]
    for given, where in (("no.txt", "no.txt"), ("  ", "'  '"), ("no.csv", "no.csv")):
        with refused(where):
            crosspath.predict(place / "plain", [given])


def test_texts_in_memory_are_read_as_those_of_files(place: Path) -> None:
    settings = {**SMALL, "data.tokenizer": str(place / "tokenizer")}
    texts, labels = [f"the {word} {number}" for number in range(12) for word in ("cat", "dog")], ["c", "d"] * 12
    result = crosspath.train(
        "text/folder", data=(texts, labels), settings=settings, out=place / "memory", progress=False
    )
    assert result.classes == ("c", "d")
    found = crosspath.predict(place / "memory", ["the cat 3"])
    assert len(found[0]["predictions"]) == 2


def test_a_padded_batch_gives_the_logits_of_one_text_at_a_time(place: Path) -> None:
    checkpoint = crosspath.load_checkpoint(place / "plain")
    recipe, model = checkpoint.recipe, checkpoint.model
    data = load_data(recipe.data, None, 0)
    rows = np.asarray(data.train.inputs[np.arange(12)])
    lengths = (rows[:, :-1] >= 0).sum(1)
    assert len(set(lengths.tolist())) > 2
    with torch.no_grad():
        whole = model(prepare_held_out(recipe.data, rows, torch.device("cpu")))
        for row, length in enumerate(lengths):
            alone = model(torch.as_tensor(rows[row : row + 1, :length]).long())
            torch.testing.assert_close(whole[row : row + 1], alone, rtol=0, atol=1e-6)


def test_batches_are_cut_to_the_longest_text_in_steps(place: Path) -> None:
    section = apply_overrides(recipe_named("text/folder"), ("data.length=24",)).data
    rows = torch.full((2, 25), -1)
    rows[0, :3], rows[1, :9], rows[:, -1] = 5, 6, 40
    assert torch.equal(trim(section, rows), rows[:, :16])
    rows[0, :24] = 5
    assert torch.equal(trim(section, rows), rows[:, :24])


def test_an_exported_graph_reads_numbers_and_a_mask() -> None:
    recipe = apply_overrides(recipe_named("text/sentences"), tuple(f"{name}={value}" for name, value in SMALL.items()))
    torch.manual_seed(0)
    model = build_model(recipe, 4).eval()
    module = Exportable(model, recipe)
    ids, mask = generated_samples(recipe, 3)
    assert mask.sum(1).tolist() == [24, 23, 22]
    for row, length in enumerate((24, 23, 22)):
        torch.testing.assert_close(module(ids, mask)[row], model(ids[row : row + 1, :length])[0], rtol=0, atol=1e-6)
    changed = torch.where(mask, ids, 7)
    assert torch.equal(module(changed, mask), module(ids, mask))


@pytest.mark.slow
def test_exports_compute_what_the_model_does(place: Path, tmp_path: Path) -> None:
    for name in ("a.onnx", "b.pt2"):
        result = crosspath.export(place / "plain", tmp_path / name)
        assert result["input"]["mask"]["type"] == "bool"
        assert max(result["max_difference"].values()) < 1e-5


def test_pages_show_words(place: Path) -> None:
    page = (place / "pretrained" / "reconstructions" / "sequences.html").read_text()
    assert "[CLS]" in page
    assert "the</span>" in page
    assert "-1" not in page.split("<h1>")[1]


def test_masks_and_brackets_go_together() -> None:
    for settings in ("masking.kind=closers",), ("augment.redraw=true",):
        with refused("", "dyck" if "redraw" in settings[0] else "words"):
            apply_overrides(recipe_named("text/sentences", "masked_modeling"), settings)
