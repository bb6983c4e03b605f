"""A whole demo in small: its files, its line, its JSON, its report; and which folders it may write to."""

import json
import re
import shlex
import sys
from contextlib import nullcontext
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from crosspath.checkpoints import load_checkpoint
from crosspath.cli.main import main
from crosspath.cli.output import equality_line
from crosspath.config import apply_overrides, read_recipe
from crosspath.evaluation import evaluate
from crosspath.locks import LOCK
from crosspath.recipes import recipe_named
from crosspath.study import demo as demo_module
from crosspath.study import study as study_module
from crosspath.study.cells import QUIET
from crosspath.study.demo import demo
from crosspath.study.demo_plan import ABOUT, MARKER, TARGET
from crosspath.study.reports.pages import block_and_role, mean_scales, validation_curve
from crosspath.study.reports.table import cells
from crosspath.study.rows import Row
from crosspath.training.result import read_result
from tests.errors import refused
from tests.study.here import Here

ARMS = {"none": None, "pathway": "digits", "random": "digits", "same-modality": "sounds"}
"""{arm: its auxiliary}."""
VOID = {"meta", "br", "hr", "img", "input", "link", "wbr"}


class Page(HTMLParser):
    """Tags in order; fails on a tag that closes another."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder and the summary of a demo with two epochs and two seeds."""
    folder = tmp_path_factory.mktemp("demo") / "runs" / "demo"
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study_module, "local_pool", lambda _: nullcontext(Here()))
        summary = demo(
            folder,
            seeds=2,
            settings=["train.epochs=2", "train.evaluate_every=1", "data.labels_per_class=4"],
            auxiliary_settings=["train.epochs=1", "data.labels_per_class=8"],
            progress=False,
        )
    assert torch.get_num_threads() == threads
    return folder, summary


def run_of(folder: Path, arm: str, seed: int) -> Path:
    name = arm if ARMS[arm] is None else f"{arm}-{ARMS[arm]}"
    return folder / "comparison" / "runs" / "audio-sounds" / "labels-all" / name / f"final/lr-0.001-seed-{seed}"


def test_it_leaves_the_auxiliary_the_study_and_the_merged_models(made: tuple[Path, dict[str, Any]]) -> None:
    folder, summary = made
    assert {path.name for path in folder.iterdir()} == {"auxiliaries", "comparison", "merged", "demo.json", MARKER}
    assert json.loads((folder / "demo.json").read_text(encoding="utf-8")) == json.loads(json.dumps(summary))
    assert summary["report"] == str(folder / "comparison" / "report.html")
    assert Path(summary["report"]).is_file()
    assert (folder / "merged" / "model.safetensors").is_file()
    assert {path.name for path in (folder / "auxiliaries").iterdir()} == {"sounds", "digits"}
    for arm in ARMS:
        assert all((run_of(folder, arm, seed) / "result.json").is_file() for seed in (0, 1))


def test_every_arm_has_the_same_budget_and_start_but_its_own_auxiliary(made: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = made
    none, pathway, random, own = (read_result(run_of(folder, arm, 1)) for arm in ARMS)
    assert {result.seed for result in (none, pathway, random, own)} == {1}
    assert none.steps == pathway.steps == random.steps == own.steps
    assert none.samples == pathway.samples == random.samples == own.samples
    assert none.data["fingerprint"] == own.data["fingerprint"]
    assert none.auxiliaries == {}
    assert pathway.auxiliaries["digits"]["recipe"] == "image/digits"
    assert "seed 1" in random.auxiliaries["digits"]["origin"]
    assert own.auxiliaries["sounds"]["recipe"] == TARGET
    assert read_result(folder / "auxiliaries" / "sounds").objective == "masked_modeling"
    recipes = [read_recipe(run_of(folder, arm, 1) / "recipe.yaml") for arm in ARMS]
    assert recipes[1] == recipes[2] == recipes[3]
    assert recipes[1].pathway.scale_init == 1.0
    assert {recipe.optimizer.lr for recipe in recipes} == {1e-3}


def test_the_table_holds_the_numbers_of_the_result_files(made: tuple[Path, dict[str, Any]]) -> None:
    folder, summary = made
    assert [row["arm"] for row in summary["rows"]] == list(ARMS)
    recipes = {None: None, "digits": "image/digits", "sounds": TARGET}
    for row in summary["rows"]:
        results = [read_result(run_of(folder, row["arm"], seed)) for seed in (0, 1)]
        assert list(row["values"]) == [result.metrics["test"]["accuracy"] for result in results]
        assert row["labels_per_class"] == 4
        assert row["auxiliary"] == recipes[ARMS[row["arm"]]]


def test_equality_is_what_the_merged_and_connected_checkpoints_show(made: tuple[Path, dict[str, Any]]) -> None:
    folder, summary = made
    (entry,) = summary["merges"]
    connected, merged = load_checkpoint(entry["connected"]), load_checkpoint(entry["merged"])
    assert connected.connected
    assert not merged.connected
    assert entry["bitwise"] is True
    assert evaluate(merged)["metrics"] == entry["metrics_merged"] == entry["metrics_connected"]
    assert evaluate(connected)["samples"] == entry["samples"]
    plain = load_checkpoint(run_of(folder, "none", 0)).model
    assert list(merged.model.state_dict()) == list(plain.state_dict())
    assert entry["parameters_merged"] == sum(parameter.numel() for parameter in plain.parameters())
    weights = [value for _, value in connected.model.encoder.blocks.named_parameters() if value.ndim == 2]
    pathways = sum(value.numel() for value in weights) // 2 + 6 * 4
    assert entry["parameters_connected"] == entry["parameters_merged"] + pathways


def test_an_inequality_is_reported() -> None:
    line = equality_line(False, 1.25e-6)
    assert line == "merged output equals connected output: no, by at most 1.25e-06"


def test_the_report_is_one_offline_page_with_every_figure_and_number(made: tuple[Path, dict[str, Any]]) -> None:
    folder, summary = made
    text = Path(summary["report"]).read_text(encoding="utf-8")
    page = Page(text)
    drawn = [attributes for tag, attributes in page.tags if tag == "svg"]
    figures = [attributes.get("class") for tag, attributes in page.tags if tag == "figure"]
    assert len(drawn) == len([kind for kind in figures if kind != "picture"])
    assert figures.count("picture") == 2, "the confusions of none and of the first other arm"
    assert len(drawn) > 3
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(set(ids)) == len(ids)
    for tag, attributes in page.tags:
        assert tag not in {"script", "link", "iframe"}
        assert not any(name.startswith("on") for name in attributes)
        assert not (attributes.get("src") or attributes.get("href") or "").startswith("http")
    assert not re.findall(r"@import|url\(\s*['\"]?http", text)
    for row in summary["rows"]:
        assert all(f">{cell}<" in text for cell in cells(Row.from_json(row)))
    fingerprint = read_result(run_of(folder, "none", 0)).data["fingerprint"]
    for words in (ABOUT, summary["answer"]["sentence"], "bitwise", fingerprint[:16], "torch "):
        assert words in page.text


def test_the_report_comes_from_the_files_alone(
    made: tuple[Path, dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, summary = made
    before = Path(summary["report"]).read_text(encoding="utf-8")
    assert main(["report", str(folder)]) == 0
    assert summary["report"] in capsys.readouterr().out
    after = Path(summary["report"]).read_text(encoding="utf-8")
    assert after.count("<svg") == before.count("<svg")
    assert "bitwise" in after


def test_the_commands_shown_make_the_recipes_that_ran(made: tuple[Path, dict[str, Any]]) -> None:
    folder, summary = made
    commands = [shlex.split(command) for command in summary["commands"]]
    assert [words[1] for words in commands] == ["pretrain", "train", "compare", "merge", "evaluate"]
    for words in commands[:3]:
        settings = [value for option, value in pairwise(words) if option == "--set"]
        options = {option: value for option, value in pairwise(words) if option.startswith("--")}
        recipe = recipe_named(words[2], "masked_modeling") if words[1] == "pretrain" else recipe_named(words[2])
        ran = Path(options["--out"])
        if words[1] == "compare":
            assert options["--arms"].split(",") == list(ARMS)
            assert words.count(f"digits={folder / 'auxiliaries' / 'digits'}") == 1
            settings += [f"optimizer.lr={options['--rates']}", "train.seed=1"]
            ran = run_of(folder, "pathway", 1)
        # Checkpoints and trackers change no number.
        assert apply_overrides(recipe, [*QUIET, *settings]) == read_recipe(ran / "recipe.yaml")


def test_curves_and_scales_are_those_of_log_and_result(made: tuple[Path, dict[str, Any]]) -> None:
    run = run_of(made[0], "pathway", 0)
    curve, result = validation_curve(run), read_result(run)
    assert list(curve) == [1, 2]
    assert curve[2] == result.metrics["validation"]["accuracy"]
    scales = mean_scales([result.scales])
    assert len(scales) == 6 * 4
    assert scales["3", "mlp in"] == result.scales["encoder.blocks.3.mlp.fc1.weight"]["digits"][0]
    assert block_and_role("encoder.blocks.11.attn.qkv.weight") == ("11", "q, k, v")
    assert block_and_role("stem.weight") == ("", "stem.weight")


def test_a_demo_replaces_its_own_folder_and_nothing_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class StopError(Exception):
        pass

    def stop(*_: object, **__: object) -> None:
        raise StopError

    monkeypatch.setattr(demo_module, "pretrain", stop)
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "none-0").write_text("mine", encoding="utf-8")
    with refused("foreign", "empty", "folder"):
        demo(foreign, progress=False)
    assert (foreign / "none-0").read_text(encoding="utf-8") == "mine"
    own = tmp_path / "own"
    with pytest.raises(StopError):
        demo(own, progress=False)
    (own / "pathway-12").mkdir()
    (own / "pathway-12" / "result.json").write_text("{}", encoding="utf-8")
    (own / "report.html").write_text("old", encoding="utf-8")
    (own / "thoughts.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(StopError):
        demo(own, progress=False)
    assert sorted(path.name for path in own.iterdir()) == sorted([LOCK, MARKER, "thoughts.txt"])


def test_a_wrong_setting_or_number_of_seeds_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with refused("seeds", "1"):
        demo(tmp_path / "b", seeds=0, progress=False)
    with refused("train.epoch", "train.epochs"):
        demo(tmp_path / "c", settings=["train.epoch=2"], progress=False)
    with refused("train.epoch", "train.epochs"):
        demo(tmp_path / "d", auxiliary_settings=["train.epoch=2"], progress=False)
    assert list(tmp_path.iterdir()) == []


def test_the_command_prints_the_tables_the_answer_and_the_path(
    made: tuple[Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, summary = made
    calls: list[tuple[Path, int]] = []

    def finished(out: Path, *, seeds: int) -> dict[str, Any]:
        calls.append((out, seeds))
        return {**summary, "report": str(out / "report.html")}

    monkeypatch.setattr(demo_module, "demo", finished)
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["demo"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[-1] == "report: runs/demo/report.html"
    assert sum("equals connected output: bitwise" in line for line in printed) == 1
    assert max(map(len, printed)) <= 80
    assert summary["answer"]["sentence"] in " ".join(printed)
    for row in summary["rows"]:
        assert any(row["arm"] in line and f"{100 * row['mean']:.1f}" in line for line in printed)
    assert main(["demo", "--seeds", "3", "--out", "there", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == json.loads(json.dumps(summary["rows"]))
    assert calls == [(Path("runs/demo"), 5), (Path("there"), 3)]
    assert main(["demo", "--seeds", "0"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_the_verb_needs_no_torch_until_it_runs() -> None:
    import subprocess

    code = "import sys, crosspath.cli.main; sys.exit('torch' in sys.modules or 'matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
