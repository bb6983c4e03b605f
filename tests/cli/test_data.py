"""`crosspath data`: what each verb prints, its one JSON object, and how it ends."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crosspath.catalogue.sets import PUBLISHED_SETS
from crosspath.cli.main import main
from tests.catalogue.test_get import CONTENT
from tests.cli.test_main import refused
from tests.cli.test_verbs import answered
from tests.data.files import class_folders, cut_in_half, write_image, write_sound
from tests.data.published_masks import write_own_masks
from tests.data.server import Served, serving


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A server from which fsdd comes."""
    with serving(Served(CONTENT)) as server:
        fsdd = PUBLISHED_SETS["fsdd"]
        archive = replace(fsdd.archives[0], address=server.address)
        monkeypatch.setitem(PUBLISHED_SETS, "fsdd", replace(fsdd, archives=(archive,)))
        yield server


def failure(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """stdout, and the last line of stderr, of a command that exits with code 2."""
    assert main(arguments) == 2
    output = capsys.readouterr()
    return output.out, output.err.splitlines()[-1]


def test_a_folder_of_ones_own_is_shown_without_decoding_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class_folders(tmp_path / "photos", write_image, ".png", ("cats", "dogs"), 2)
    (tmp_path / "photos" / "dogs" / "broken.png").write_bytes(b"no picture")
    (tmp_path / "photos" / "dogs" / "note.docx").touch()
    facts = answered(["data", "show", str(tmp_path / "photos")], capsys)
    assert facts["modality"] == "image"
    assert facts["recipe"] == "image/folder"
    assert facts["classes"] == {"cats": 2, "dogs": 3}
    assert facts["samples"] == 5
    assert facts["unread"] == {".docx": 1}
    assert main(["data", "show", str(tmp_path / "photos")]) == 0
    output = capsys.readouterr()
    assert "cats" in output.out
    assert output.err == f"next: crosspath data check {tmp_path / 'photos'}\n"
    class_folders(tmp_path / "one", write_image, ".png", ("cats",), 1)
    assert main(["data", "show", str(tmp_path / "one")]) == 0
    assert "1 class, 1 sample, not decoded" in capsys.readouterr().out
    assert "data list" in refused(["data", "show", str(tmp_path / "nothing")], capsys)


def test_classes_of_masks_are_shown_without_numbers_that_nobody_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_own_masks(tmp_path)
    facts = answered(["data", "show", str(tmp_path)], capsys)
    assert (facts["recipe"], facts["samples"]) == ("image/masks", 9)
    assert facts["classes"] == dict.fromkeys(("sky", "sea", "sand", "ship"))
    assert main(["data", "show", str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("not counted") == 4


def test_each_verb_has_help_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    for verb in ("list", "show", "get", "check"):
        assert main(["data", verb, "--help"]) == 0
        shown = capsys.readouterr().out
        assert f"Example: crosspath data {verb} " in shown
        assert "--json" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["data", "lst"], 'Did you mean "list"?'),
        (["data", "list", "--jsn"], "Did you mean --json?"),
        (["data", "show", "esc5"], "did you mean esc50?"),
        (["data", "get", "cifar11"], "did you mean cifar10?"),
        (["data", "get"], "NAME"),
        (["data", "check", "nowhere"], "nowhere: expected the folder of a data set, found none"),
        (["data", "check", "nowhere", "--recipe", "image/cifar11"], "did you mean image/cifar10?"),
    ],
)
def test_what_the_user_can_mend_is_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    assert message in refused(arguments, capsys)


def test_what_check_advises_for_a_table_it_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSPATH_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "mine"
    class_folders(tmp_path, write_image, ".png", ("mine",), 24)
    rows = [f"{path.name},{('cat', 'dog')[row % 2]}\n" for row, path in enumerate(sorted(folder.iterdir()))]
    (folder / "labels.csv").write_text("file,label\n" + "".join(rows))
    _, line = failure(["data", "check", str(folder)], capsys)
    setting = "data.csv=labels.csv"
    assert f"--set {setting}" in line
    assert main(["data", "check", str(folder), "--set", setting]) == 0
    assert capsys.readouterr().err.endswith(f"next: crosspath train image/folder --data {folder} --set {setting}\n")
    (tmp_path / "esc50").mkdir()
    assert "name it with --recipe" in refused(["data", "check", str(tmp_path / "esc50"), "--set", setting], capsys)


def test_list_says_which_sets_are_here(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("cifar10/train.zip", "cifar10/test.zip", "fsdd/metadata.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    listed = answered(["data", "list", "--data", str(tmp_path)], capsys)
    assert listed["root"] == str(tmp_path)
    here = {known["name"]: known["here"] for known in listed["sets"]}
    assert list(here) == list(PUBLISHED_SETS)
    assert here.pop("cifar10") == "yes"
    assert here.pop("fsdd") == "incomplete"
    assert set(here.values()) == {"no"}
    assert main(["data", "list", "--data", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in PUBLISHED_SETS)
    assert max(map(len, shown.splitlines()[1:])) <= 100


def test_the_data_root_may_come_from_the_environment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSPATH_DATA", str(tmp_path))
    assert answered(["data", "list"], capsys)["root"] == str(tmp_path)


@pytest.mark.parametrize("name", PUBLISHED_SETS)
def test_show_tells_licence_tree_recipes_and_how_to_get_it(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = PUBLISHED_SETS[name]
    assert main(["data", "show", name, "--data", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    for message in (known.licence, known.terms, f"{known.folder}/", *(piece.pattern for piece in known.pieces)):
        assert message in shown
    if known.archives:
        assert f"crosspath data get {name}" in shown
        assert all(archive.address in shown for archive in known.archives)
        assert all(archive.sha256 in shown for archive in known.archives if archive.sha256)
    else:
        assert "  1. " in shown
    facts = answered(["data", "show", name, "--data", str(tmp_path)], capsys)
    assert facts["name"] == name
    assert facts["folder"] == str(tmp_path / known.folder)
    assert facts["here"] == "no"


def test_show_names_the_recipes_that_read_a_set(capsys: pytest.CaptureFixture[str]) -> None:
    from crosspath.recipes import PRETRAINING, RECIPES

    for verb, table in (("train", RECIPES), ("pretrain", PRETRAINING)):
        for name, recipe in table.items():
            known = next((known for known in PUBLISHED_SETS.values() if recipe().data.dataset in known.datasets), None)
            if known is not None:
                assert name in answered(["data", "show", known.name], capsys)["recipes"][verb]


def test_get_puts_a_set_in_place_and_says_that_it_was_not_verified(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    served.plan = ["drop"]
    arguments = ["data", "get", "fsdd", "--data", str(tmp_path / "data")]
    assert main(arguments) == 0
    output = capsys.readouterr()
    assert "recorded, not verified" in output.out
    assert f"fsdd is in {tmp_path / 'data' / 'fsdd'}" in output.out
    assert "CC BY-SA 4.0" in output.err
    assert "retrying in 1 s" in output.err
    assert "downloading free-spoken-digit-dataset.zip" in output.err
    again = answered(arguments, capsys)
    assert again["folder"] == str(tmp_path / "data" / "fsdd")
    assert again["archives"][0]["verified"] is False
    assert len(served.requests) == 2


def test_get_ends_with_2_and_one_summary_when_the_address_is_gone(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    served.plan = ["404"]
    out, line = failure(["data", "get", "fsdd", "--data", str(tmp_path), "--json"], capsys)
    assert out == ""
    assert line.startswith(f"{served.address}: expected a file at this address, found 404")


@pytest.mark.parametrize("name", [name for name, known in PUBLISHED_SETS.items() if known.steps])
def test_get_prints_numbered_steps_for_what_owners_hand_out(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, line = failure(["data", "get", name, "--data", str(tmp_path)], capsys)
    assert line.startswith(f"{name}: expected a set that can be downloaded")
    numbers = [text.split(".")[0] for text in out.splitlines()[1:]]
    assert numbers == [f"  {number}" for number in range(1, len(PUBLISHED_SETS[name].steps) + 1)]
    out, _ = failure(["data", "get", name, "--data", str(tmp_path), "--json"], capsys)
    assert json.loads(out)["steps"] == list(PUBLISHED_SETS[name].steps)
    assert list(tmp_path.iterdir()) == []


def check_failure(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The one JSON object of a check that ends with 2."""
    out, _ = failure([*arguments, "--json"], capsys)
    (line,) = out.splitlines()
    value: dict[str, Any] = json.loads(line)
    return value


def test_check_of_a_whole_folder_ends_with_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = class_folders(tmp_path / "own", write_image, ".jpg")
    assert answered(["data", "check", str(folder)], capsys) == {
        "folder": str(folder),
        "set": None,
        "modality": "image",
        "classes": 2,
        "samples": {"unsplit": 12},
        "faults": [],
        "used": {"train": 8, "validation": 2, "test": 2},
        "damaged": 0,
        "unread": {},
        "notes": [],
    }
    assert main(["data", "check", str(folder)]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == f"{folder}: image, 2 classes, samples: 12 unsplit"
    assert "image/folder" in second
    assert "8 train, 2 validation, 2 test" in second


def test_check_counts_what_is_not_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = class_folders(tmp_path / "own", write_image, ".jpg")
    for name in ("cat/7.heic", "cat/8.heic", "dog/Thumbs.db", "readme.md"):
        (folder / name).touch()
    expected = {".heic": 2, "hidden": 1, ".md beside the class folders": 1}
    assert answered(["data", "check", str(folder)], capsys)["unread"] == expected
    assert main(["data", "check", str(folder)]) == 0
    assert "2 .heic" in capsys.readouterr().out


def test_check_answers_for_the_recipe_and_its_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = class_folders(tmp_path / "own", write_image, ".jpg", per_class=10)
    by_recipe = ["data", "check", str(folder), "--recipe", "image/folder"]
    cut_in_half(folder / "cat" / "3.jpg")
    few = answered([*by_recipe, "--set", "data.skip_damaged=true", "--set", "data.labels_per_class=2"], capsys)
    assert few["used"] == {"train": 4, "validation": 2, "test": 4}
    assert few["damaged"] == 1
    assert "data.skip_damaged=true" in failure(by_recipe, capsys)[1]
    assert (
        "data.classes"
        in failure([*by_recipe, *("--set", "data.classes=3", "--set", "data.skip_damaged=true")], capsys)[1]
    )
    assert (
        "patch" in failure([*by_recipe, *("--set", "data.image_size=30", "--set", "data.skip_damaged=true")], capsys)[1]
    )


def test_check_advises_to_skip_damaged_files_only_where_that_helps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def todo(folder: Path, *settings: str) -> str:
        recipe = [part for setting in settings for part in ("--set", setting)]
        arguments = ["data", "check", str(folder), *(["--recipe", "image/folder", *recipe] if recipe else [])]
        return failure(arguments, capsys)[1]

    helps = class_folders(tmp_path / "helps", write_image, ".jpg")
    cut_in_half(helps / "cat" / "3.jpg")
    assert "skip_damaged" in todo(helps)
    lost = class_folders(tmp_path / "lost", write_image, ".jpg")
    for path in (lost / "cat").iterdir():
        cut_in_half(path)
    assert "skip_damaged" not in todo(lost)
    assert "cat" in todo(lost)
    streamed = class_folders(tmp_path / "streamed", write_image, ".jpg", per_class=1)
    for part in ("train", "val", "test"):
        class_folders(streamed / part, write_image, ".jpg")
    for name in ("cat", "dog"):
        (streamed / name / "0.jpg").unlink()
        (streamed / name).rmdir()
    cut_in_half(streamed / "val" / "dog" / "0.jpg")
    assert "skip_damaged" in todo(streamed)
    assert "skip_damaged" not in todo(streamed, "data.stream=true")


def test_check_lists_bad_files_on_stdout_and_sums_up_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = class_folders(tmp_path / "own", write_image, ".jpg")
    cut_in_half(folder / "cat" / "3.jpg")
    _, line = failure(["data", "check", str(folder)], capsys)
    assert line.startswith(f"{folder}: expected complete, readable data, found cat/3.jpg: the image decoder fails")
    (folder / "dog" / "0.jpg").write_bytes(b"")
    out, line = failure(["data", "check", str(folder)], capsys)
    assert [text.split(":")[0] for text in out.splitlines()[1:]] == ["cat/3.jpg", "dog/0.jpg"]
    assert "found 2 faults, the first in cat/3.jpg" in line
    assert "data.skip_damaged=true" in line
    faults = check_failure(["data", "check", str(folder)], capsys)["faults"]
    assert [fault["path"] for fault in faults] == ["cat/3.jpg", "dog/0.jpg"]


def test_check_reads_a_table_of_ones_own_by_a_recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(7):
        write_sound(tmp_path / f"{number}.wav", seed=number, seconds=0.1)
    rows = "".join(f"{number}.wav,{'ab'[number % 2]}\n" for number in range(6))
    (tmp_path / "list.csv").write_text(f"file,label\n{rows}")
    by_recipe = ["data", "check", str(tmp_path), "--recipe", "audio/folder", "--set", "data.csv=list.csv"]
    assert answered(by_recipe, capsys)["used"] == {"train": 2, "validation": 2, "test": 2}
    cut_in_half(tmp_path / "1.wav")
    assert check_failure(by_recipe, capsys)["faults"][0]["path"] == "1.wav"


def test_check_of_a_known_set_names_its_missing_pieces(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "grid_s1").mkdir()
    value = check_failure(["data", "check", str(tmp_path / "grid_s1")], capsys)
    assert value["set"] == "grid_s1"
    assert [fault["path"] for fault in value["faults"][:3]] == ["clips.csv", "words.csv", "videos/*.mp4"]
    out, line = failure(["data", "check", str(tmp_path / "grid_s1")], capsys)
    assert "published: 10 classes, samples: 700 train, 100 val, 200 test" in out
    assert "clips.csv" in line


def test_check_says_which_variants_were_not_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import h5py
    import numpy as np

    (tmp_path / "scanobjectnn" / "main_split").mkdir(parents=True)
    for part in ("training", "test"):
        with h5py.File(tmp_path / "scanobjectnn" / "main_split" / f"{part}_objectdataset.h5", "w") as file:
            file["data"], file["label"] = np.ones((4, 2048, 3)) * np.arange(2048)[:, None], np.arange(4) % 2
    assert main(["data", "check", str(tmp_path / "scanobjectnn")]) == 0
    assert "read as scanobjectnn-objbg; " in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cifar10", "esc10", "fsdd", "grid_s1", "modelnet10"])
def test_the_real_sets_are_whole(name: str, data_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert answered(["data", "check", str(data_root / name)], capsys)["faults"] == []
