"""What the tests ask of a refusal: the place it names and the values it shows, never its sentences."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from crosspath.errors import InputError


@contextmanager
def refused(
    where: object = "", *values: object, kind: type[InputError] = InputError
) -> Iterator[pytest.ExceptionInfo[InputError]]:
    """The block raises an `InputError` (or the `kind` given) that names `where` and every one of `values`.

    `where` is a part of the error's own `where`: a dotted name, a file's name, `table.csv row 3`. Each value stands in
    the message as a whole word. The message is one that helps: something was found, and there is something to do.
    """
    with pytest.raises(kind) as caught:
        yield caught
    error = caught.value
    assert _stands_in(str(where), error.where), f"names {error.where}, not {where}: {error}"
    for value in values:
        assert _stands_in(str(value), str(error)), f"{value} is not in: {error}"
    assert error.found
    assert error.todo


def _stands_in(part: str, text: str) -> bool:
    """Whether `part` stands in `text`, not as a piece of a longer word."""
    return re.search(rf"(?<!\w){re.escape(part)}(?!\w)", text) is not None or not part
