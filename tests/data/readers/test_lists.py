"""Lists of files: rows as an editor counts them, and what is refused."""

from pathlib import Path

import pytest

from crosspath.data.readers.lists import numbered_lines, refuse_repeated
from crosspath.errors import InputError


def test_rows_are_counted_as_an_editor_does_and_blank_ones_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfone\r\n\r\n  two \r\n")
    assert numbered_lines(tmp_path / "a.txt", "names") == [(1, "one"), (3, "two")]


@pytest.mark.parametrize(
    ("content", "expected"), [(None, "none"), (b"\n \n", "an empty file"), (b"caf\xe9\n", "can't decode byte 0xe9")]
)
def test_a_list_that_is_none_is_refused(tmp_path: Path, content: bytes | None, expected: str) -> None:
    if content is not None:
        (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(InputError) as caught:
        numbered_lines(tmp_path / "a.txt", "names, one a line")
    assert str(caught.value).startswith(f"{tmp_path / 'a.txt'}: expected names, one a line")
    assert expected in caught.value.found


def test_a_second_mention_names_the_first() -> None:
    seen: dict[str, str] = {}
    refuse_repeated(seen, "x", "train.txt row 1")
    refuse_repeated(seen, "y", "train.txt row 2")
    with pytest.raises(
        InputError, match=r"test\.txt row 9: expected every file once, found x, named in train\.txt row 1"
    ):
        refuse_repeated(seen, "x", "test.txt row 9")
