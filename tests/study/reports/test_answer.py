"""The answer of a study: verdict, numbers and advice are those of its rows."""

from dataclasses import replace
from pathlib import Path

from crosspath.study.definition import Study
from crosspath.study.reports.answer import answer_of
from crosspath.study.reports.row_words import direction
from crosspath.study.reports.study_report import title_of
from crosspath.study.reports.table import cells, group_rows, signed_points
from crosspath.study.rows import Row, adjust_verdicts

SEEDS = (0, 1, 2)
NONE = Row(
    target="image/digits",
    auxiliary=None,
    arm="none",
    metric="accuracy",
    seeds=SEEDS,
    values=(0.5, 0.6, 0.55),
    mean=0.55,
    std=0.05,
    labels_per_class=10,
)


def arm(name: str, verdict: str, difference: float, **more: object) -> Row:
    values = tuple(value + difference + 0.001 * (seed - 1) * len(name) for seed, value in enumerate(NONE.values))
    row = replace(NONE, arm=name, auxiliary="audio/sounds", values=values, mean=sum(values) / 3, difference=difference)
    low, high = (difference - 0.01, difference + 0.01) if verdict != "no evidence" else (-0.2, 0.3)
    return replace(row, low=low, high=high, p=0.03, verdict=verdict, reason="r", seeds_needed=12, **more)  # type: ignore[arg-type]


def test_a_gain_names_both_accuracies_the_interval_and_the_merge() -> None:
    answer = answer_of([NONE, arm("pathway", "helps", 0.1), arm("random", "no evidence", 0.01)], Path("c/seed-0"))
    assert answer.verdict == "helps"
    for words in (
        "image/digits",
        "10 labels per class",
        "audio/sounds",
        "65.0 %",
        "55.0 %",
        "+10.0",
        "+9.0",
        "+11.0",
        "3 seeds",
    ):
        assert words in answer.sentence
    assert "random" in answer.sentence
    assert "not clearly" not in answer.sentence
    assert answer.command == "crosspath merge c/seed-0 merged"
    assert [effect.verdict for effect in answer.effects] == ["helps"]


def test_a_gain_that_random_weights_give_as_well_is_not_credited_to_the_auxiliary() -> None:
    answer = answer_of([NONE, arm("pathway", "helps", 0.1), arm("random", "helps", 0.1)])
    assert "not clearly more than random" in answer.sentence


def test_no_evidence_and_harm_advise_the_plain_model() -> None:
    for verdict, difference in (("no evidence", 0.05), ("hurts", -0.1)):
        answer = answer_of([NONE, arm("pathway", verdict, difference)], Path("c/seed-0"))
        assert answer.verdict == verdict
        assert "plain model" in answer.next_step
        assert answer.command is None
    assert "12" in answer_of([NONE, arm("pathway", "no evidence", 0.05)]).next_step
    few = replace(arm("pathway", "no evidence", 0.05), seeds=(0, 1), seeds_needed=None)
    assert "--seeds" in answer_of([NONE, few]).next_step


def test_several_directions_are_counted_by_their_adjusted_verdicts() -> None:
    targets = [f"image/{number}" for number in range(4)]
    rows = [NONE]
    for target, p in zip(targets, (0.001, 0.04, 0.5, 0.6), strict=True):
        verdict = "helps" if p < 0.05 else "no evidence"
        rows += [replace(NONE, target=target), replace(arm("pathway", verdict, 0.1), target=target, p=p)]
    adjusted = adjust_verdicts(rows)
    answer = answer_of(adjusted)
    assert answer.headline == "helps in 1 of 4"
    assert "image/0" in answer.sentence
    assert "image/1" not in answer.sentence
    assert len(answer.effects) == 4
    members = next(group for title, group in group_rows(adjusted).items() if title.startswith("image/1"))
    assert "0.040, adjusted 0.080" in cells(members[1])


def test_with_one_target_a_pathway_from_its_own_modality_counts_beside_the_others() -> None:
    own = replace(arm("same-modality", "helps", 0.1), auxiliary="image/others")
    answer = answer_of([NONE, arm("pathway", "no evidence", 0.01), own])
    assert answer.headline == "helps in 1 of 2"
    assert "same-modality from image/others (+10.0" in answer.sentence
    elsewhere = [replace(NONE, target="x"), replace(arm("pathway", "no evidence", 0.01), target="x")]
    assert len(answer_of([NONE, arm("pathway", "no evidence", 0.01), own, *elsewhere]).effects) == 2


def test_without_pathway_another_arm_is_the_answer_and_without_any_nothing_was_compared() -> None:
    mimetic = replace(arm("mimetic", "helps", 0.1), auxiliary=None)
    answer = answer_of([NONE, mimetic])
    assert direction(mimetic) == "mimetic"
    assert "mimetic" in answer.sentence
    assert answer_of([NONE]).verdict == "no evidence"
    assert answer_of([NONE]).effects == ()


def test_a_difference_of_rounding_has_no_sign_and_a_bound_just_below_zero_has() -> None:
    assert [signed_points(value) for value in (-3e-18, 0.0, -0.0004, 0.1)] == ["+0.0", "+0.0", "−0.0", "+10.0"]


def test_a_pathway_without_a_part_is_not_what_a_result_speaks_of() -> None:
    words = "the pathway had no part in this result (small); try --start whole-body"
    whole, some = ({"idle": words, "idle_runs": runs} for runs in (3, 1))
    for verdict in ("helps", "no evidence", "hurts"):
        answer = answer_of([NONE, arm("pathway", verdict, 0.1, **whole)], Path("c/seed-0"))
        assert "The pathway had no part in this result (small)." in answer.sentence
        assert "--start whole-body" in answer.next_step
        assert "seeds would show" not in answer.next_step
        assert answer.command is None
    partly = answer_of([NONE, arm("pathway", "helps", 0.1, **some)], Path("c/seed-0"))
    assert "no part" in partly.sentence
    assert partly.command is not None
    two = [replace(arm("pathway", "no evidence", 0.01, **whole), target=target) for target in ("a", "b")]
    plain = [replace(NONE, target=target) for target in ("a", "b")]
    several = answer_of([*plain, *two])
    assert "no part in 2 of them" in several.sentence
    assert "--start whole-body" in several.next_step
    helping = [replace(arm("pathway", "helps", 0.1, **whole), target=target) for target in ("a", "b")]
    assert "this says nothing" in answer_of([*plain, *helping]).next_step


def test_one_setting_is_no_choice_of_settings() -> None:
    """`compare --start whole-body` has a single variant, which is named."""
    rows = [NONE, arm("pathway", "helps", 0.1)]
    study = Study(name="s", targets={"image/digits": {}}, variants={"whole-body": ("pathway.start=whole-body",)})  # type: ignore[dict-item]
    assert "audio/sounds" in title_of(study, rows)
    assert "setting" in title_of(study.model_copy(update={"variants": {"a": (), "b": ()}}), rows)


def test_what_does_as_well_without_a_pathway_is_what_is_advised() -> None:
    pathway = arm("pathway", "helps", 0.1)
    copied = arm("copy", "helps", 0.11)
    answer = answer_of([NONE, pathway, copied], Path("c/seed-0"))
    assert "The arm copy, without a pathway, is not clearly worse: +11.0" in answer.sentence
    assert answer.next_step == "use the model of the arm copy, which needs no pathway."
    assert answer.command is None
    for other in (
        arm("copy", "no evidence", 0.11),
        replace(copied, values=tuple(value - 0.08 - 0.001 * place for place, value in enumerate(pathway.values))),
        replace(copied, auxiliary="video/others"),
        replace(copied, target="image/other"),
    ):
        answer = answer_of([NONE, pathway, other], Path("c/seed-0"))
        assert "not clearly worse" not in answer.sentence
        assert answer.command is not None
    masked = replace(arm("masked-modelling", "helps", 0.12), auxiliary=None)
    assert "masked-modelling" in answer_of([NONE, pathway, copied, masked]).next_step
    targets = ("image/1", "image/2")
    rows = [replace(row, target=target) for target in targets for row in (NONE, pathway, copied)]
    several = answer_of(rows)
    assert "Wherever a pathway helps, copy is not clearly worse" in several.sentence
    assert several.next_step.startswith("use copy there")
    assert "not clearly worse" not in answer_of(rows[:-1]).sentence
