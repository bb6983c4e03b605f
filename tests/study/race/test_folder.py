"""What is read from the folder of a `try`: its own values, or a refusal that names the file."""

from pathlib import Path

import pytest

from crosspath.errors import InputError
from crosspath.files import write_json
from crosspath.study.race.answer import read_answer
from crosspath.study.race.costs import Cost, Costs
from crosspath.study.race.final import read_all
from crosspath.study.race.folder import ANSWER, CLOCK, COSTS, DECISIONS, DEFINITION, PLAN, check_folder, open_race
from crosspath.study.race.plan import Last, Plan, Round
from crosspath.study.race.race import as_begun
from crosspath.study.race.request import understand
from crosspath.study.race.trials import FRESH, predictions_file, trial_folder
from crosspath.study.race.ways import ways_of
from tests.errors import refused

ONE = Cost(fixed=1.0, epoch=2.0)
COSTS_OF_ONE = Costs(of_ways={"none": ONE}, masked=ONE, auxiliaries={}).to_json()
PLANNED = Plan(
    rounds=(Round(epochs=2, ways=2, rates=1),), folds=1, seeds=5, seeds_wanted=6, auxiliary_epochs={}, seconds=9.0
).to_json()


@pytest.mark.parametrize(
    "content", [{}, {"verdict": "helps"}, {"sentence": 3}, {"unknown": 1}, {"format_version": 9}, []]
)
def test_a_damaged_answer_is_refused(content: object, tmp_path: Path) -> None:
    write_json(tmp_path / ANSWER, {"format_version": 1, **content} if isinstance(content, dict) else content)
    with refused(str(tmp_path / ANSWER), "remove"):
        read_answer(tmp_path)


@pytest.mark.parametrize("content", [{}, {"seconds": "long"}, {"seconds": None}])
def test_a_damaged_clock_is_refused(content: dict[str, object], tmp_path: Path) -> None:
    with open_race(tmp_path / "try", {}) as folder:
        assert folder.clock() >= 0
    write_json(tmp_path / "try" / CLOCK, content)
    with refused(str(tmp_path / "try" / CLOCK)), open_race(tmp_path / "try", {}):
        pass
    write_json(tmp_path / "try" / CLOCK, {"seconds": 600})
    with open_race(tmp_path / "try", {}) as folder:
        assert folder.clock() >= 600


def test_a_refusal_before_anything_is_decided_leaves_no_folder(tmp_path: Path) -> None:
    with refused("labels"), open_race(tmp_path / "try", {}):
        raise InputError("labels", "samples", "none", "add some")
    assert not (tmp_path / "try").exists()
    (tmp_path / "mine").mkdir()
    with refused("labels"), open_race(tmp_path / "mine", {}):
        raise InputError("labels", "samples", "none", "add some")
    assert list((tmp_path / "mine").iterdir()) == []
    # What has been decided stays for the next attempt, and so does what was there before.
    with refused("labels"), open_race(tmp_path / "try", {}) as folder:
        folder.decide(COSTS, Costs, lambda: COSTS_OF_ONE)
        raise InputError("labels", "samples", "none", "add some")
    assert (tmp_path / "try" / DECISIONS).is_file()
    with refused("labels"), open_race(tmp_path / "try", {}):
        raise InputError("labels", "samples", "none", "add some")
    assert {entry.name for entry in (tmp_path / "try").iterdir()} >= {DEFINITION, DECISIONS, CLOCK}


@pytest.mark.parametrize(
    ("name", "kind", "value"),
    [
        (COSTS, Costs, {}),
        (COSTS, Costs, {**COSTS_OF_ONE, "masked": {"fixed": 1.0}}),
        (COSTS, Costs, {**COSTS_OF_ONE, "masked": 3}),
        (COSTS, Costs, {**COSTS_OF_ONE, "of_ways": {"none": {"fixed": "long", "epoch": 1.0}}}),
        (PLAN, Plan, {**PLANNED, "rounds": 3}),
        (PLAN, Plan, {**PLANNED, "rounds": [{"epochs": 1}]}),
        (PLAN, Plan, {**PLANNED, "lengths": 1}),
        ("last round", Last, {"epochs": 3}),
        ("planned at", float, "noon"),
        ("epochs of none", tuple[int, bool], [3]),
        ("begin seed 2", bool, "yes"),
    ],
)
def test_a_damaged_decision_is_refused(name: str, kind: type, value: object, tmp_path: Path) -> None:
    tree = {"format_version": 1, COSTS: COSTS_OF_ONE, PLAN: PLANNED}
    write_json(tmp_path / DEFINITION, {})
    write_json(tmp_path / DECISIONS, tree)
    with open_race(tmp_path, {}) as folder:
        assert folder.decide(PLAN, Plan, dict).rounds == (Round(epochs=2, ways=2, rates=1),)
        assert folder.decide(COSTS, Costs, dict).masked == ONE
    write_json(tmp_path / DECISIONS, {**tree, name: value})
    with open_race(tmp_path, {}) as folder, refused(str(tmp_path / DECISIONS), name, "--out"):
        folder.decide(name, kind, dict)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format_version": 7}', "{}"])
@pytest.mark.parametrize("file", [DECISIONS, DEFINITION])
def test_damaged_files_of_decisions_are_refused(file: str, text: str, tmp_path: Path) -> None:
    with open_race(tmp_path / "try", {"target": "photos"}):
        pass
    (tmp_path / "try" / file).write_text(text)
    with refused(str(tmp_path / "try"), "--out"), open_race(tmp_path / "try", {"target": "photos"}):
        pass


def test_a_race_is_resumed_with_another_number_of_runs_at_a_time(tmp_path: Path) -> None:
    with open_race(tmp_path / "try", {"workers": 8, "threads": 1}) as folder:
        folder.decide(PLAN, dict, dict)
        assert not folder.notes
    with open_race(tmp_path / "try", {"workers": 2, "threads": 1}) as folder:
        (note,) = folder.notes
    assert "workers were 8 and are 2" in note
    with refused(str(tmp_path / "try"), "threads"):
        check_folder(tmp_path / "try", {"workers": 2, "threads": 4})


@pytest.mark.parametrize(
    "content", [{}, {"run": "a"}, {"run": "a", "correct": {"a": "yes"}}, {"run": "a", "correct": {"b": True}}]
)
def test_damaged_predictions_are_refused(content: dict[str, object], tmp_path: Path) -> None:
    none, other, *_ = ways_of([], target=None, pretrained=None)
    paths = [predictions_file(tmp_path / "runs", trial_folder(FRESH, way.name, 0.1, 0)) for way in (none, other)]
    for path in paths:
        path.parent.mkdir(parents=True)
        write_json(path, {"run": "a", "correct": {"a": True}})
    arms = {none: (1, 0.1), other: (1, 0.1)}
    assert read_all(tmp_path / "runs", arms, 1) == {none: [{"a": True}], other: [{"a": True}]}
    write_json(paths[1], content)
    with refused(str(paths[1]), "remove"):
        read_all(tmp_path / "runs", arms, 1)


def test_a_race_goes_on_with_the_ways_that_it_began_with(tmp_path: Path) -> None:
    """An earlier version had fewer: their costs are all that the folder knows."""
    request = understand("image/digits", [], None, "10m", None, None, (), 1, 1)
    with open_race(tmp_path / "try", {}) as folder:
        assert as_begun(request, folder) == request
        folder.decide(COSTS, Costs, lambda: COSTS_OF_ONE)
        assert [way.name for way in as_begun(request, folder).ways] == ["none"] != [way.name for way in request.ways]
