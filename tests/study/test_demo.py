"""A whole demo in small: its files, its line, its JSON, its report; and which folders it may write to."""

import json
import re
import sys
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
from crosspath.study.demo import demo
from crosspath.study.demo_plan import MARKER, QUIET
from crosspath.study.demo_report import write_report
from crosspath.study.report import block_and_role, mean_scales, validation_curve
from crosspath.study.table import cells, compare_arms
from crosspath.training.result import read_result
from tests.errors import refused

ARMS = ("none", "pathway", "random")
VOID = {"meta", "br", "hr", "img", "input", "link"}


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
    summary = demo(
        folder,
        seeds=2,
        labels_per_class=4,
        settings=["train.epochs=2", "train.evaluate_every=1"],
        auxiliary_settings=["train.epochs=1", "data.labels_per_class=8"],
        progress=False,
    )
    assert torch.get_num_threads() == threads
    return folder, summary


def test_it_leaves_a_run_folder_for_each_run_and_a_report(made: tuple[Path, dict[str, Any]]) -> None:
    folder, summary = made
    runs = [f"{arm}-{seed}" for arm in ARMS for seed in (0, 1)]
    expected = {"auxiliary", *runs, "merged-0", "merged-1", "demo.json", "report.html", MARKER}
    assert {path.name for path in folder.iterdir()} == expected
    assert json.loads((folder / "demo.json").read_text(encoding="utf-8")) == json.loads(json.dumps(summary))
    assert summary["report"] == str(folder / "report.html")


def test_every_arm_has_the_same_budget_and_start_but_its_own_auxiliary(made: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = made
    for seed in (0, 1):
        none, pathway, random = (read_result(folder / f"{arm}-{seed}") for arm in ARMS)
        assert {result.seed for result in (none, pathway, random)} == {seed}
        assert none.steps == pathway.steps == random.steps
        assert none.samples == pathway.samples == random.samples
        assert none.data["fingerprint"] == random.data["fingerprint"]
        assert none.auxiliaries == {}
        assert pathway.auxiliaries["sounds"]["origin"].endswith("auxiliary")
        assert f"seed {seed}" in random.auxiliaries["sounds"]["origin"]
        recipes = [read_recipe(folder / f"{arm}-{seed}" / "recipe.yaml") for arm in ARMS]
        assert recipes[1] == recipes[2]
        assert recipes[1].pathway.scale_init == 0.1
        assert recipes[0].model_copy(update={"pathway": recipes[1].pathway}) == recipes[1]


def test_the_table_holds_the_numbers_of_the_result_files(made: tuple[Path, dict[str, Any]]) -> None:
    folder, summary = made
    results = {arm: [read_result(folder / f"{arm}-{seed}") for seed in (0, 1)] for arm in ARMS}
    for row in summary["rows"]:
        values = [result.metrics["test"]["accuracy"] for result in results[row["arm"]]]
        base = [result.metrics["test"]["accuracy"] for result in results["none"]]
        assert list(row["values"]) == values
        assert row["mean"] == pytest.approx(sum(values) / 2)
        if row["arm"] != "none":
            assert row["difference"] == pytest.approx(sum(values) / 2 - sum(base) / 2)
            assert row["verdict"] == "no evidence"
            assert "2 seeds" in row["reason"]
    assert [row["arm"] for row in summary["rows"]] == list(ARMS)
    assert [row["auxiliary"] for row in summary["rows"]] == [None, "audio/sounds", "audio/sounds"]


def test_equality_is_what_the_merged_and_connected_checkpoints_show(made: tuple[Path, dict[str, Any]]) -> None:
    folder, summary = made
    assert summary["equality"]["bitwise"] is True
    for entry in summary["equality"]["seeds"]:
        connected, merged = (load_checkpoint(folder / f"{name}-{entry['seed']}") for name in ("pathway", "merged"))
        assert connected.connected
        assert not merged.connected
        assert evaluate(merged)["metrics"] == entry["metrics_merged"] == entry["metrics_connected"]
        assert evaluate(connected)["samples"] == summary["equality"]["samples"]
        plain = load_checkpoint(folder / f"none-{entry['seed']}").model
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
    text = (folder / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    figures = [attributes["id"] for tag, attributes in page.tags if tag == "figure"]
    assert figures == ["seeds", "curves", "scales"]
    drawn = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert len(drawn) == len(figures)
    assert all(float(attributes["height"] or 0) > 100 for attributes in drawn)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(set(ids)) == len(ids)
    for tag, attributes in page.tags:
        assert tag not in {"script", "link", "img", "iframe"}
        assert not any(name.startswith("on") for name in attributes)
        target = attributes.get("src") or attributes.get("href") or ""
        assert not target.startswith("http") or target == "https://arxiv.org/abs/2401.14405"
    assert not re.findall(r"@import|url\(\s*['\"]?http", text)
    results = {arm: [read_result(folder / f"{arm}-{seed}") for seed in (0, 1)] for arm in ARMS}
    for row in compare_arms(results, {row["arm"]: row["auxiliary"] for row in summary["rows"]}):
        assert all(f">{cell}<" in text for cell in cells(row))
    for command in summary["commands"]:
        assert command in page.text
    for words in ("too few", "bitwise", results["none"][0].data["fingerprint"], "torch "):
        assert words in page.text


def test_the_report_comes_from_the_files_alone(made: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = made
    before = (folder / "report.html").read_text(encoding="utf-8")
    write_report(folder)
    assert (folder / "report.html").read_text(encoding="utf-8") == before


def test_the_commands_shown_make_the_recipes_that_ran(made: tuple[Path, dict[str, Any]]) -> None:
    folder, summary = made
    trained = [command.split() for command in summary["commands"] if command.startswith("crosspath train")]
    assert len(trained) == 3
    for words in trained:
        settings = [value for option, value in pairwise(words) if option == "--set"]
        out = Path(words[words.index("--out") + 1])
        # Whether anything is kept on the way changes no number.
        assert apply_overrides(recipe_named(words[2]), [*QUIET, *settings]) == read_recipe(out / "recipe.yaml")
    assert f"--auxiliary sounds={folder / 'auxiliary'}" in summary["commands"][2]


def test_curves_and_scales_are_those_of_log_and_result(made: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = made
    curve = validation_curve(folder / "pathway-0")
    result = read_result(folder / "pathway-0")
    assert list(curve) == [1, 2]
    assert curve[2] == result.metrics["validation"]["accuracy"]
    scales = mean_scales([result.scales])
    assert len(scales) == 6 * 4
    assert scales["3", "mlp in"] == result.scales["encoder.blocks.3.mlp.fc1.weight"]["sounds"][0]
    assert block_and_role("encoder.blocks.11.attn.qkv.weight") == ("11", "q, k, v")
    assert block_and_role("stem.weight") == ("", "stem.weight")


def test_a_demo_replaces_its_own_folder_and_nothing_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class StopError(Exception):
        pass

    def stop(*_: object) -> None:
        raise StopError

    monkeypatch.setattr(demo_module, "_train_auxiliary", stop)
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


def test_a_wrong_auxiliary_or_number_of_seeds_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with refused("auxiliary", "sounds", "solids", "smells"):
        demo(tmp_path / "a", auxiliary="smells", progress=False)  # type: ignore[arg-type]
    with refused("seeds", "1"):
        demo(tmp_path / "b", seeds=0, progress=False)
    with refused("train.epoch", "train.epochs"):
        demo(tmp_path / "c", settings=["train.epoch=2"], progress=False)
    assert list(tmp_path.iterdir()) == []


def test_the_command_prints_the_table_then_the_line_then_the_path(
    made: tuple[Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, summary = made
    calls: list[tuple[Path, str, int]] = []

    def finished(out: Path, *, auxiliary: str, seeds: int) -> dict[str, Any]:
        calls.append((out, auxiliary, seeds))
        return {**summary, "report": str(out / "report.html")}

    monkeypatch.setattr(demo_module, "demo", finished)
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["demo"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[-2:] == ["merged output equals connected output: bitwise", "runs/demo/report.html"]
    assert max(map(len, printed)) <= 80
    for row in summary["rows"]:
        assert any(row["arm"] in line and f"{100 * row['mean']:.1f}" in line for line in printed)
    assert main(["demo", "--auxiliary", "solids", "--seeds", "5", "--out", "there", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == json.loads(json.dumps(summary["rows"]))
    assert calls == [(Path("runs/demo"), "sounds", 3), (Path("there"), "solids", 5)]
    assert main(["demo", "--seeds", "0"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_the_verb_needs_no_torch_until_it_runs() -> None:
    import subprocess

    code = "import sys, crosspath.cli.main; sys.exit('torch' in sys.modules or 'matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.slow
def test_solids_grow_an_auxiliary_too(tmp_path: Path) -> None:
    settings = ["train.epochs=1"]
    small = [*settings, "data.labels_per_class=8"]
    summary = demo(
        tmp_path / "demo",
        auxiliary="solids",
        seeds=1,
        labels_per_class=3,
        settings=settings,
        auxiliary_settings=small,
        progress=False,
    )
    assert summary["auxiliary"] == "point/solids"
    assert summary["equality"]["bitwise"] is True
    assert "point clouds" in (tmp_path / "demo" / "report.html").read_text(encoding="utf-8")
