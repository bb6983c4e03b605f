"""Part metrics against loops over sets of points, on random predictions."""

import math
from collections import defaultdict
from statistics import fmean

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from torch import Tensor

from crosspath.data.annotations import NOT_LABELLED
from crosspath.data.readers.part_clouds import PARTS
from crosspath.objectives import objective_of
from crosspath.objectives.part_metrics import columns_of_categories, columns_of_points, part_counts, part_metrics
from crosspath.recipes import recipe_named
from tests.errors import refused

TABLE = ((0, 1, 2), (3, 4), (0, 7))
"""The third category numbers its parts on its own."""


def measured(logits: Tensor, parts: Tensor, categories: Tensor, table: tuple[tuple[int, ...], ...]) -> dict[str, float]:
    members = columns_of_categories(table)
    columns = columns_of_points(parts, categories, table)
    return part_metrics(part_counts(logits, columns, categories, members), categories, members)


def by_hand(
    logits: list[list[list[float]]], parts: list[list[int]], categories: list[int], table: tuple[tuple[int, ...], ...]
) -> dict[str, float]:
    """With sets of points and nothing shared with the code."""
    pairs = [(category, number) for category, numbers in enumerate(table) for number in numbers]
    shapes: dict[int, list[float]] = defaultdict(list)
    pooled: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0])
    right = total = 0
    for scores, own, category in zip(logits, parts, categories, strict=True):
        choices = [place for place, (of, _) in enumerate(pairs) if of == category]
        points = [point for point, number in enumerate(own) if number != NOT_LABELLED]
        guess = {point: pairs[max(choices, key=lambda place: scores[point][place])][1] for point in points}
        ious = []
        for number in table[category]:
            there = {point for point in points if own[point] == number}
            said = {point for point in points if guess[point] == number}
            ious.append(len(there & said) / len(there | said) if there | said else 1.0)
            pooled[category, number][0] += len(there & said)
            pooled[category, number][1] += len(there | said)
        shapes[category].append(fmean(ious))
        right += sum(guess[point] == own[point] for point in points)
        total += len(points)
    return {
        "instance_miou": fmean(value for values in shapes.values() for value in values),
        "class_miou": fmean(fmean(values) for values in shapes.values()),
        "miou": fmean(inside / union for inside, union in pooled.values() if union),
        "point_accuracy": right / total,
    }


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_metrics_are_those_of_loops_over_sets(data: st.DataObject) -> None:
    count, points = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 8))
    categories = data.draw(st.lists(st.integers(0, 2), min_size=count, max_size=count))
    # The first point has a part, as every file has to have one.
    parts = [
        [data.draw(st.sampled_from((*TABLE[category], *((NOT_LABELLED,) if point else ())))) for point in range(points)]
        for category in categories
    ]
    seed = data.draw(st.integers(0, 2**16))
    logits = torch.randn(count, points, 7, generator=torch.Generator().manual_seed(seed))
    actual = measured(logits, torch.tensor(parts), torch.tensor(categories), TABLE)
    expected = by_hand(logits.tolist(), parts, categories, TABLE)
    assert actual == pytest.approx(expected, abs=1e-12)


def test_a_perfect_answer_is_1_and_parts_of_other_categories_are_never_chosen() -> None:
    parts, categories = torch.tensor([[0, 1, 1], [3, 3, 4], [7, 7, 7]]), torch.tensor([0, 1, 2])
    columns = columns_of_points(parts, categories, TABLE)
    assert columns.tolist() == [[0, 1, 1], [3, 3, 4], [6, 6, 6]]
    logits = torch.nn.functional.one_hot(columns, 7).float()
    perfect = measured(logits, parts, categories, TABLE)
    assert set(perfect.values()) == {1.0}
    others = ~columns_of_categories(TABLE)[categories]
    assert measured(logits + 100.0 * others[:, None], parts, categories, TABLE) == perfect


def test_an_absent_part_that_is_predicted_is_0_and_one_that_is_not_is_1() -> None:
    """One shape of parts 3 and 4, all of its points 3: half of them said to be 4, then none."""
    parts, category = torch.tensor([[3, 3, 3, 3]]), torch.tensor([1])
    logits = torch.zeros(1, 4, 7)
    logits[0, :2, 4] = 1.0
    assert measured(logits, parts, category, TABLE)["instance_miou"] == (0.5 + 0.0) / 2
    right = measured(torch.zeros(1, 4, 7), parts, category, TABLE)
    assert right["instance_miou"] == 1.0
    assert right["miou"] == 1.0


def test_what_is_not_labelled_counts_nowhere() -> None:
    parts, category = torch.tensor([[3, 4, 3]]), torch.tensor([1])
    logits = torch.randn(1, 3, 7, generator=torch.Generator().manual_seed(0))
    longer = torch.cat([parts, torch.full((1, 5), NOT_LABELLED)], dim=1)
    more = torch.cat([logits, torch.randn(1, 5, 7, generator=torch.Generator().manual_seed(1))], dim=1)
    assert measured(more, longer, category, TABLE) == measured(logits, parts, category, TABLE)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_logits_that_are_not_finite_give_nan_unless_their_point_counts_nowhere(value: float) -> None:
    parts, categories = torch.tensor([[3, 4, NOT_LABELLED], [0, 1, 2]]), torch.tensor([1, 0])
    logits = torch.randn(2, 3, 7, generator=torch.Generator().manual_seed(0))
    expected = measured(logits, parts, categories, TABLE)
    logits[0, 2] = value
    assert measured(logits, parts, categories, TABLE) == expected
    logits[0, 1, 4] = value
    assert all(map(math.isnan, measured(logits, parts, categories, TABLE).values()))


def test_a_cloud_without_a_labelled_point_counts_nowhere() -> None:
    parts, categories = torch.tensor([[3, 4, 3]]), torch.tensor([1])
    logits = torch.randn(1, 3, 7, generator=torch.Generator().manual_seed(0))
    nothing = torch.full_like(parts, NOT_LABELLED)
    both = measured(logits.repeat(2, 1, 1), torch.cat([parts, nothing]), categories.repeat(2), TABLE)
    assert both == measured(logits, parts, categories, TABLE)
    assert measured(logits, nothing, categories, TABLE) == {}


def test_shapenetparts_numbers_are_their_own_columns() -> None:
    table = tuple(tuple(numbers) for numbers in PARTS.values())
    parts = torch.arange(50)[:, None]
    categories = columns_of_categories(table).int().argmax(dim=0)
    assert torch.equal(columns_of_points(parts, categories, table), parts)
    assert part_metrics(torch.zeros(0, 3, 50), torch.zeros(0, dtype=torch.long), columns_of_categories(table)) == {}


def test_a_part_of_another_category_is_refused() -> None:
    with refused("data.parts", "category 1", "3, 4", "7"):
        columns_of_points(torch.tensor([[0, 1], [3, 7]]), torch.tensor([0, 1]), TABLE)


def test_the_largest_parts_are_given() -> None:
    parts_N, recipe = torch.tensor([3, 1, 1, 2, 2, 2]), recipe_named("point/furniture")
    objective = objective_of(recipe)
    assert objective.predictions is not None
    assert objective.predictions(parts_N, recipe, (), objective.most)["predictions"] == [
        {"part": 2, "points": 3},
        {"part": 1, "points": 2},
        {"part": 3, "points": 1},
    ]
    assert objective.predictions(parts_N, recipe, (), 1)["predictions"] == [{"part": 2, "points": 3}]
