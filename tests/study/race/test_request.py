"""What `try` understands, and what it refuses before the first run."""

import re
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

import crosspath
from crosspath.config import apply_overrides
from crosspath.recipes import recipe_named
from crosspath.study.race.check import check
from crosspath.study.race.display import RaceDisplay
from crosspath.study.race.folder import PLAN, check_folder, open_race
from crosspath.study.race.measure import kind_of
from crosspath.study.race.race import samples_of
from crosspath.study.race.request import Request, seconds_of, understand
from crosspath.study.sources import find_auxiliaries
from tests.errors import refused


def ask(target: str | Path, *auxiliaries: str, **more: object) -> Request:
    values: dict[str, object] = {"labels": None, "budget": "1m", "data": None, "start_from": None, "settings": ()}
    values |= {"workers": 1, "threads": 1, **more}
    return understand(target, auxiliaries, **values)  # type: ignore[arg-type]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two classes of eight pictures."""
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(8):
            picture = Image.fromarray(rng.integers(0, 255, (16, 16, 3), np.uint8))
            picture.save(tmp_path / "photos" / name / f"{number}.png")
    return tmp_path / "photos"


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An auxiliary of another width."""
    out = tmp_path_factory.mktemp("wide") / "sounds"
    settings = ("train.epochs=1", "train.loggers=[]", "data.labels_per_class=2", "model.size=tiny")
    crosspath.train(apply_overrides(crosspath.recipe_named("audio/sounds"), settings), out=out, progress=False)
    return out


def test_the_kind_of_data_is_found_from_the_files(photos: Path) -> None:
    request = ask(photos, f"other={photos}", labels=3)
    assert request.target.recipe.name == "image/folder"
    assert request.target.data_root == photos.resolve()
    assert request.target.recipe.data.labels_per_class == 3
    asked = ask(photos, settings={"train": {"batch_size": 3}}), ask(photos, settings=["train.batch_size=3"])
    assert {one.target.recipe.train.batch_size for one in asked} == {3}
    assert asked[0].definition == asked[1].definition
    (source,) = request.sources
    assert source.recipe is not None
    assert (source.name, source.recipe.objective, source.recipe.name) == ("other", "masked_modeling", "image/folder")
    data = check(request)
    assert len(data["target"].train) == 6
    assert {len(data["unlabelled"].train), len(data["other"].train)} == {10}


def test_recipes_checkpoints_and_procedural_auxiliaries_are_found(wide: Path) -> None:
    assert ask("image/digits").target.recipe.name == "image/digits"
    request = ask(wide, "procedural", workers=2)
    assert request.target.checkpoint == wide.resolve()
    assert not request.is_shipped
    names = ["none", "masked-modelling", "frozen-body", "paper-procedural", "gentle-procedural"]
    assert [way.name for way in request.ways] == names
    (source,) = request.sources
    assert source.recipe is not None
    assert source.recipe.model.size == "tiny"


@pytest.mark.parametrize(
    ("text", "seconds"), [("20m", 1200), ("1h30m", 5400), ("90s", 90), ("2min", 120), (45, 45), (30.0, 30)]
)
def test_budgets(text: str | float, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "0", "45", "-5m", "20 minutes"])
def test_no_budgets(text: str) -> None:
    with refused("--budget", "20m"):
        seconds_of(text)


def test_a_budget_may_be_raised_until_there_is_a_plan(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "try"
    short, long = ask(photos, budget="1m"), ask(photos, budget="9m")
    with open_race(out, short.definition) as folder:
        folder.decide("costs", dict, dict)
    with refused(str(out), "labels"):
        check_folder(out, ask(photos, budget="9m", labels=3).definition)
    with open_race(out, long.definition) as folder:
        folder.decide(PLAN, dict, dict)
    with refused(str(out), "budget_s", "540"):
        check_folder(out, short.definition)


def test_what_the_data_have_to_say_is_shown(photos: Path) -> None:
    (photos / "cat" / "notes.txt").write_text("a cat")
    console = Console(record=True, width=200, file=StringIO())
    samples = samples_of(ask(photos, labels=30), RaceDisplay(console, 60.0, lambda: 0.0))
    assert samples.unlabelled == 0
    shown = console.export_text()
    assert "fewer than 30 labels of class cat (5), dog (5)" in shown
    assert ".txt" in shown
    samples = samples_of(ask(photos, labels=3), RaceDisplay(console, 60.0, lambda: 0.0))
    assert sum(samples.to_json().values()) == 16


def test_the_display_shows_what_leads_and_always_none(photos: Path) -> None:
    def shown(width: int, spent: float) -> str:
        console = Console(record=True, width=width, file=StringIO())
        display = RaceDisplay(console, 1200.0, lambda: spent)
        display.begin("round 1 of 3")
        display.scores = {f"paper from sounds-{number}": [0.1 * number] for number in range(1, 8)} | {"none": [0.05]}
        display.runs, display.latest = 12, "paper from sounds-1, learning rate 0.001"
        console.print(display)
        return console.export_text()

    for width in (80, 120):
        text = shown(width, 431.0)
        lines = text.splitlines()
        assert [line.split()[-2] for line in lines if "from sounds" in line and "%" in line] == [
            f"{10 * number}.0" for number in range(7, 1, -1)
        ]
        assert re.search(r"^none +5\.0 %", text, re.MULTILINE)
        assert re.search(r"\s7:11 of 20:00, 12:49 left", text)
    assert "left" not in shown(80, 1300.0).splitlines()[-1]


def test_a_name_on_a_hub_is_no_path(photos: Path) -> None:
    ways = ask(photos, start_from="hf:owner/model").ways
    found = {way.name: str(way.from_) for way in ways if way.from_ is not None}
    assert found == {"pretrained": "hf:owner/model", "frozen-body": "hf:owner/model"}


def test_bad_input_is_refused_in_one_line(photos: Path, wide: Path, tmp_path: Path) -> None:
    for labels in (1, 2.5, "10"):
        with refused("--labels", str(labels)):
            ask(photos, labels=labels)
    with refused("settings"):
        ask(photos, settings="train.epochs=3")
    with refused("TARGET", "absent"):
        ask(tmp_path / "absent")
    with refused("--auxiliary", "absent"):
        ask(photos, str(tmp_path / "absent"))
    with refused("--auxiliary photos", "twice"):
        ask(photos, str(photos), str(photos))
    with refused("--workers"):
        ask(photos, workers=0)
    with refused("--data"):
        ask(photos, data=tmp_path)
    with refused("--from"):
        ask(wide, start_from=wide)
    with refused("train.epoch", "train.epochs"):
        ask(photos, settings=("train.epoch=3",))
    with refused("settings", "train.epochs=3"):
        ask(photos, settings="train.epochs=3")
    decided = ("train.seed=3", "data.split_seed=1", "pathway.start=paper", "evaluate.test=false")
    starts = ("pathway.scale_init=0.1", "pathway.shrink=0.9", "optimizer.auxiliary_lr=0.001")
    for setting in (*decided, *starts):
        with refused(*setting.split("=")):
            ask(photos, settings=(setting,))
    with refused("data.labels_per_class", "4", "3"):
        ask(photos, labels=3, settings=("data.labels_per_class=4",))
    with refused("data", "ndarray"):
        ask(np.zeros((4, 8, 8)))  # type: ignore[arg-type]
    with refused("data", "tuple"):
        ask("image/digits", data=(np.zeros((4, 8, 8)), [0, 1, 0, 1]))


def test_procedural_pretraining_has_short_epochs_of_as_many_sequences() -> None:
    recipe = crosspath.recipe_named("procedural/dyck", "masked_modeling")
    (source,) = ask("image/digits", "procedural").sources
    assert source.recipe is not None
    own = source.recipe.data.train_samples, source.recipe.train.epochs
    assert own == (recipe.data.train_samples // 10, 10 * recipe.train.epochs)  # type: ignore[operator]
    assert len(check(ask("image/digits", "procedural"))["procedural"].train) == own[0]


def test_several_labels_a_sample_are_refused_with_what_compares_them(tmp_path: Path) -> None:
    with refused("audio/audioset-20k", "several", f"crosspath compare audio/audioset-20k --data {tmp_path} "):
        check(ask("audio/audioset-20k", data=tmp_path))
    with refused(
        "image/discs", "numbers", "crosspath compare image/discs --set train.epochs=3 --auxiliary NAME=CHECKPOINT"
    ):
        check(ask("image/discs", settings=["train.epochs=3"]))


def test_settings_and_auxiliaries_are_taken_in_the_forms_of_other_functions(photos: Path) -> None:
    request = ask(photos, settings={"train.epochs": 3})
    assert request.target.recipe.train.epochs == 3
    assert request.definition["settings"] == ["train.epochs=3"]
    values = {"labels": None, "budget": "1m", "data": None, "start_from": None, "settings": ()}
    for auxiliaries in ({"photos": photos}, [photos], str(photos)):
        (source,) = understand(photos, auxiliaries, **values, workers=1, threads=1).sources  # type: ignore[arg-type]
        assert (source.name, source.text) == ("photos", str(photos.resolve()))


def test_what_the_data_do_not_hold_is_refused_before_the_first_run(photos: Path, wide: Path, tmp_path: Path) -> None:
    micro = tmp_path / "micro"
    settings = ("train.epochs=1", "train.loggers=[]", "data.labels_per_class=2")
    crosspath.train("image/digits", settings=settings, out=micro, progress=False)
    with refused("--auxiliary sounds", "6", "12", "--set model.size=tiny"):
        check(ask("image/digits", f"sounds={wide}"))
    check(ask("image/digits", f"sounds={wide}", settings=("model.size=tiny",)))
    assert len(check(ask(micro))["target"].train) > 10
    with refused("--auxiliary sounds", "leave") as caught:
        check(ask(micro, f"sounds={wide}"))
    assert "--set" not in caught.value.todo  # the size of a checkpoint is what it is
    for picture in sorted((photos / "dog").iterdir())[2:]:
        picture.unlink()
    with refused(str(photos), "dog"):
        check(ask(photos))
    for picture in (photos / "dog").iterdir():
        picture.unlink()
    (photos / "dog").rmdir()
    with refused(str(photos), "two classes"):
        check(ask(photos))


def test_few_shot_episodes_are_no_race(photos: Path) -> None:
    with refused("data.way", 2):
        ask(photos, settings=("data.way=2", "data.shot=3"))
    with refused("data.labels_per_class", 4):
        ask(photos, settings=("data.way=2", "data.shot=3"), labels=4)


def test_a_folder_with_a_pickled_model_is_no_folder_of_lidar_scans(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(2)}, tmp_path / "pytorch_model.bin")
    with refused("pytorch_model.bin", "crosspath convert"):
        find_auxiliaries([tmp_path], recipe_named("image/digits"))


def test_names_are_those_that_a_pathway_can_have(photos: Path, tmp_path: Path) -> None:
    dated = photos.rename(tmp_path / "2024-photos")
    (source,) = ask("image/digits", str(dated)).sources
    assert source.name == "auxiliary-2024-photos"
    for name in ("2024", "../up", "a.b"):
        with refused("--auxiliary", name):
            ask("image/digits", f"{name}={dated}")


def test_an_auxiliary_called_none_costs_what_a_pathway_costs(photos: Path) -> None:
    ways = {way.arm.name: way for way in ask("image/digits", f"none={photos}").ways}
    pathway = next(way for way in ways.values() if way.auxiliary is not None and way.arm.name != "copy")
    assert kind_of(pathway) != kind_of(ways["none"])


def test_the_command_that_asks_the_same_has_all_that_must_be_alike(photos: Path) -> None:
    command = ask(photos, threads=2, workers=3, labels=4).command(2, Path("out"))
    assert "--threads 2" in command
    assert "--workers 3" in command
    assert "--threads" not in ask(photos, workers=None).command(2, Path("out"))
