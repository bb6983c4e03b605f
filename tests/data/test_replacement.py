"""Which sample stands in for a damaged one, and when there is none."""

from collections.abc import Callable
from pathlib import Path

import pytest

from crosspath.data.items import DamageError, Item
from crosspath.data.replacement import IN_A_ROW, first_readable
from crosspath.errors import InputError
from tests.errors import refused


def items(count: int) -> list[Item]:
    return [Item(id=f"{n}", label=0, part="train", path=Path(f"{n}.png"), stamp="") for n in range(count)]


def reader(whole: set[int], reads: list[int]) -> Callable[[int], str]:
    def read(place: int) -> str:
        reads.append(place)
        if place not in whole:
            raise (DamageError if place % 2 else OSError)(f"no {place}")
        return f"sample {place}"

    return read


@pytest.mark.parametrize(("row", "place", "passed"), [(1, 1, []), (2, 4, [2, 3]), (5, 0, [5])])
def test_the_next_whole_sample_is_taken_and_the_first_follows_the_last(row: int, place: int, passed: list[int]) -> None:
    messages: list[tuple[int, str]] = []
    actual = first_readable(items(6), row, reader({0, 1, 4}, []), lambda *fault: messages.append(fault))
    assert actual == (place, f"sample {place}")
    assert messages == [(number, f"no {number}") for number in passed]


@pytest.mark.parametrize(("count", "tried"), [(3, 3), (5000, IN_A_ROW)])
def test_nothing_readable_is_an_error_and_not_a_search_through_all(count: int, tried: int) -> None:
    reads: list[int] = []
    with pytest.raises(
        InputError, match=rf"^2\.png: expected a readable file .*, found {tried} damaged files in a row"
    ):
        first_readable(items(count), 2, reader(set(), reads), lambda *fault: None)
    assert len(reads) == tried


def test_bad_input_is_passed_on() -> None:
    def read(place: int) -> str:
        raise InputError("augment.waveform", "recordings", "frames", "leave it out")

    with refused("augment.waveform"):
        first_readable(items(3), 0, read, lambda *fault: None)
