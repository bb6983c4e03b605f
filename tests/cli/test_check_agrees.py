"""`data check` and a run of the same recipe see the same folder: equal counts, or the same reason to refuse."""

import json
from pathlib import Path

import pytest

from crosspath.cli.main import main
from tests.data.layouts import CASES, REASONS, SKIP, SMALL, STREAM, Own

DEFAULT_SHARE = 6
"""Every sixth case belongs to the default run."""


def answer(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, object], str]:
    """(exit code, the JSON object on stdout or an empty one, the last line on stderr)."""
    code = main(arguments)
    output = capsys.readouterr()
    lines = output.err.splitlines()
    return code, json.loads(output.out) if output.out else {}, lines[-1] if lines else ""


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if number % DEFAULT_SHARE == 0 else pytest.mark.slow)
        for number, name in enumerate(CASES)
    ],
)
def test_check_and_train_agree(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSPATH_CACHE", str(tmp_path / "cache"))
    case = CASES[name]
    case.build(Own(tmp_path / "own", case.modality))
    folder = str(tmp_path / ("own" if (tmp_path / "own").exists() else "own.zip"))
    recipe = case.recipe or f"{case.modality}/folder"
    quick = (*SMALL[case.recipe or case.modality], "train.epochs=1", "train.batch_size=16", "train.device=cpu")
    settings = (*quick, *case.settings)
    options = [*(part for setting in settings for part in ("--set", setting)), "--json"]
    checked, check, check_line = answer(["data", "check", folder, "--recipe", recipe, *options], capsys)
    out = tmp_path / "run"
    trained, run, train_line = answer(["train", recipe, "--data", folder, "--out", str(out), *options], capsys)

    assert (checked, trained) == ((2, 2) if name in REASONS else (0, 0)), (check_line, train_line)
    assert REASONS.get(name, "") in check_line
    if trained == 0:
        data = run["data"]
        assert isinstance(data, dict)
        assert check["used"] == run["samples"]
        assert check["damaged"] == len(data["damaged"])
        assert check["unread"] == data["unread"]
        notes, run_notes = check["notes"], run["notes"]
        assert isinstance(notes, list)
        assert isinstance(run_notes, list)
        assert set(notes) <= set(run_notes)
        return
    advice = [SKIP in line for line in (check_line, train_line)]
    assert advice[0] == advice[1] or STREAM in case.settings
    if any(advice):
        followed, _, line = answer(["data", "check", folder, "--recipe", recipe, "--set", SKIP, *options], capsys)
        assert followed == 0, line
    if check.get("damaged") and check_line != train_line:
        faults = check["faults"]
        assert isinstance(faults, list)
        assert any(fault["path"] in train_line and fault["reason"] in train_line for fault in faults)
        assert any(fault["path"] in check_line or fault["reason"] in check_line for fault in faults)
    else:
        assert check_line == train_line


def test_the_battery_is_large() -> None:
    assert len(CASES) >= 60
