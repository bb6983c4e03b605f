"""`crosspath compare`, `study` and `report` as a person calls them."""

import json
import re
from html import unescape
from pathlib import Path

import pytest

import crosspath
from crosspath.cli.main import main
from crosspath.cli.output import print_table
from crosspath.cli.study import print_rows
from crosspath.config import apply_overrides
from crosspath.errors import InputError
from crosspath.study import study as study_module
from tests.study.here import in_this_process

__all__ = ["in_this_process"]

SHORT = ("train.epochs=1", "data.labels_per_class=4", "train.batch_size=16", "train.evaluate_every=9")


@pytest.mark.usefixtures("in_this_process")
def test_compare_prints_a_verdict_and_report_writes_it_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    short = apply_overrides(crosspath.recipe_named("audio/sounds"), ("train.epochs=1", "train.loggers=[]"))
    crosspath.train(short, out="aux", progress=False)
    settings = [part for setting in SHORT for part in ("--set", setting)]
    arguments = [
        "compare",
        "image/digits",
        "--auxiliary",
        "sounds=aux",
        "--seeds",
        "3",
        "--rates",
        "1e-3",
        "--out",
        "c",
    ]
    assert main([*arguments, *settings, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert [row["arm"] for row in result["rows"]] == ["none", "pathway", "random"]
    assert all(row["rate"] == 1e-3 for row in result["rows"])
    assert all(row["labels_per_class"] == 4 for row in result["rows"])
    assert result["settings"] == {"every arm": list(SHORT)}
    page = (tmp_path / "c" / "report.html").read_text(encoding="utf-8")
    assert all(setting in page for setting in SHORT)
    assert "4 labels per class" in page
    assert result["answer"]["sentence"] in unescape(page)
    assert "searched on" not in page
    assert 'id="search"' not in page
    assert "was chosen" not in page
    (tmp_path / "c" / "report.html").unlink()
    assert main(["report", "c"]) == 0
    message = capsys.readouterr().out
    assert message.splitlines()[-1].endswith(str(Path("c", "report.html")))
    assert result["answer"]["sentence"] in " ".join(message.split())
    printed = {
        cells[0]: cells for line in message.splitlines() if (cells := [cell.strip() for cell in line.split("│")[1:]])
    }
    for row in result["rows"]:
        cells = printed[row["arm"]]
        assert cells[1].startswith(f"{100 * row['mean']:.1f} ±")
        assert row["verdict"] is None or row["verdict"] in cells
    again = (tmp_path / "c" / "report.html").read_text(encoding="utf-8")
    assert again.count("<figure") == page.count("<figure") > 0
    assert again.count("<tr") == page.count("<tr") > len(result["rows"])
    _opens_in_a_browser(tmp_path / "c" / "report.html", result)


def test_a_comparison_fits_into_80_columns_without_breaking_a_word(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    none = {"target": "image/digits", "auxiliary": None, "arm": "none", "metric": "accuracy", "mean": 0.612, "std": 0.1}
    none |= {"seeds": (0, 1), "values": (0.5, 0.7)}
    other = {"difference": 0.0123, "low": -0.0123, "high": 0.1246, "p": 0.034, "verdict": "no evidence", "reason": "r"}
    other["p_adjusted"] = 0.102
    arms = [{**none, **other, "seeds_needed": 12345, "arm": arm} for arm in ("pathway", "pathway-frozen", "random")]
    long = ["audio/a-very-long-name-of-a-recipe", "point/modelnet10", "point/modelnet10"]
    for auxiliaries in (["procedural/dyck"] * 3, ["procedural/dyck", "audio/sounds", "procedural/dyck"], long):
        rows = [none, *({**row, "auxiliary": name} for row, name in zip(arms, auxiliaries, strict=True))]
        print_rows(rows)
        table = capsys.readouterr().out
        assert max(map(len, table.splitlines())) <= 80
        words = set(re.sub(r"[│┃:,]? ", " ", table).split())
        assert {"pathway-frozen", "evidence", "needed", "accuracy", "12,345", "0.102", *auxiliaries} <= words
        alone = len(set(auxiliaries)) == 1
        assert table.startswith("image/digits, auxiliary procedural/dyck\n" if alone else "image/digits\n")


def test_rows_too_wide_for_a_terminal_are_paragraphs_with_every_cell(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    print_table(("name", "long\ntitle", "empty"), [("x" * 20, "y" * 20, ""), ("a", "b c", "d")])
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["x" * 20, f"  long title: {'y' * 20}", "a", "  long title: b c", "  empty: d"]


def test_too_few_seeds_for_a_verdict_are_named_before_the_first_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise InputError("here", "a", "b", "c")

    monkeypatch.setattr(study_module, "_run_jobs", stop)
    for seeds, few in ((2, True), (3, False)):
        arguments = ["compare", "image/digits", "--arms", "none,mimetic", "--seeds", str(seeds)]
        assert main([*arguments, "--out", str(tmp_path / str(seeds))]) == 2
        before = capsys.readouterr().err.splitlines()[:-1]
        assert f"{2 * 3 * 3 + 2 * seeds} runs" in before[0]
        assert any("no verdict" in line for line in before) == few


def _opens_in_a_browser(page: Path, result: dict[str, list[dict[str, float]]]) -> None:
    """In headless Chromium where there is one: no console error, every figure drawn, no sideways scroll."""
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    chromium = next(
        (path for path in (Path("/usr/bin/chromium"), Path("/usr/bin/chromium-browser")) if path.exists()), None
    )
    if chromium is None:
        pytest.skip("needs Chromium")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(chromium), args=flags)
        for width in (1280, 400):
            tab = browser.new_page(viewport={"width": width, "height": 900})
            errors: list[str] = []
            tab.on("pageerror", lambda error, errors=errors: errors.append(str(error)))
            tab.on(
                "console",
                lambda message, errors=errors: errors.append(message.text) if message.type == "error" else None,
            )
            tab.goto(page.as_uri())
            assert errors == []
            assert tab.evaluate("document.documentElement.scrollWidth") <= width
            drawn = tab.eval_on_selector_all("figure", "all => all.map(one => one.getBoundingClientRect().height)")
            assert drawn
            assert min(drawn) > 80
            clipped = "all => all.filter(one => one.scrollWidth > one.clientWidth).map(one => one.innerText)"
            assert tab.eval_on_selector_all("pre, .scroll, .answer", clipped) == []
            text = tab.inner_text("main")
            for row in result["rows"]:
                assert f"{100 * row['mean']:.1f}" in text
        browser.close()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["study", "nowhere.yaml"], "nowhere.yaml: expected a study file"),
        (["report", "nowhere"], "nowhere: expected the folder of a study"),
        (["compare", "image/digits", "--arms", "none,magic"], "magic"),
        (["compare", "image/digits", "--rates", "fast"], "--rates"),
        (["compare", "image/digits", "--rates", "inf"], "--rates"),
        (["compare", "image/digits", "--rates", "1e-3,nan"], "--rates"),
        (["compare", "image/digits", "--rates", "3e-4,1e-3", "--widenings", "2"], "--widenings"),
        (["compare", f"{'x' * 195}.yaml", "--auxiliary", "a=b"], "compare: expected a valid study, found name"),
        (["compare", "image/digits", "--seeds", "0"], "--seeds"),
        (["compare", "image/digits"], "--auxiliary"),
        (["compare", "image/digits", "--auxiliary", "a=b", "--arms", "none"], "--arms"),
        (["compare", "image/digits", "--auxiliary", "a=b", "--workers", "0"], "--workers"),
    ],
)
def test_what_cannot_be_compared_is_one_line(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
