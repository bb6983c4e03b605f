"""Tables that people bring: other separators, encodings and spellings are read right, or their row is named."""

import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import pytest

from crosspath.config.data import AudioData
from crosspath.data.class_names import class_notes
from crosspath.data.items import Listing
from crosspath.data.readers.audio import AudioReader
from crosspath.data.tables import table_items
from crosspath.data.text_files import class_names
from tests.errors import refused

HEAD = "file,label\n"


def listing(folder: Path, content: str | bytes, encoding: str | None = None, split: str | None = None) -> Listing:
    (folder / "t.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    return table_items(folder, "t.csv", "file", "label", split, encoding=encoding)


def labels(result: Listing) -> dict[str, str]:
    return {item.id: result.classes[item.label] for item in result.items if isinstance(item.label, int)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.wav", "b.wav", "c.wav"):
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.mark.parametrize(
    ("rows", "row", "values"),
    [
        ("a.wav,Dog, barking\n", 2, ("3",)),
        ("a.wav,dog\nb.wav\n", 3, ("1",)),
        ("a.wav,dog,\n", 2, ("3",)),
        ('a.wav,"dog\nb.wav,cat\n', 2, ()),
        ('a.wav,dog\nb.wav,"two\nlines"\n', 3, ()),
        ('a.wav,dog\nb.wav,"cat"s\n', 3, ()),
        ("a.wav,dog\nb.wav,\n", 3, ("none",)),
        (",dog\n", 2, ("none",)),
        ("a.wav,dog\nb.wav,c\0t\n", 3, ("0x00", "remove it")),
    ],
)
def test_a_row_that_does_not_fit_is_named(folder: Path, rows: str, row: int, values: tuple[str, ...]) -> None:
    with refused(f"t.csv row {row}", *values):
        listing(folder, HEAD + rows)


def test_quotes_hold_the_separator(folder: Path) -> None:
    rows = 'a.wav,"Dog, barking"\nb.wav, "Dog, ""loud"""\nc.wav,  cat \n'
    assert labels(listing(folder, HEAD + rows)) == {"a.wav": "Dog, barking", "b.wav": 'Dog, "loud"', "c.wav": "cat"}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_separators_line_ends_and_marked_encodings_are_found(
    folder: Path, delimiter: str, end: str, encoding: str
) -> None:
    rows = [("Label", "note", " File"), ("grün", "x", "a.wav"), ("blau", "", "b.wav")]
    text = "".join(delimiter.join(row) + end for row in rows)
    assert labels(listing(folder, text.encode(encoding))) == {"a.wav": "grün", "b.wav": "blau"}


@pytest.mark.parametrize("codec", ["cp1252", "utf-16-le", "utf-16-be"])
def test_an_unmarked_encoding_is_named_and_what_to_set_works(folder: Path, codec: str) -> None:
    content = (HEAD + "a.wav,grün\nb.wav,blau\n").encode(codec)
    with refused("t.csv row", f"data.encoding={codec}"):
        listing(folder, content)
    assert labels(listing(folder, content, codec)) == {"a.wav": "grün", "b.wav": "blau"}
    with refused("data.encoding", "utf8x"):
        listing(folder, content, "utf8x")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_an_encoding_that_the_byte_order_mark_contradicts_is_refused(folder: Path, encoding: str) -> None:
    content = (HEAD + "a.wav,grün\nb.wav,blau\n").encode(encoding)
    for setting in (encoding.removesuffix("-sig"), encoding):
        assert labels(listing(folder, content, setting)) == {"a.wav": "grün", "b.wav": "blau"}
    for setting in ("cp1252", "latin-1", "utf-16-be"):
        with refused("t.csv", setting.upper(), "byte order mark", "data.encoding"):
            listing(folder, content, setting)


def test_a_recipe_names_the_encoding(folder: Path) -> None:
    (folder / "t.csv").write_bytes((HEAD + "a.wav,grün\n").encode("latin-1"))
    section = AudioData(folder=folder, csv="t.csv", encoding="latin-1")
    assert AudioReader(section).listing(folder).classes == ("grün",)


@pytest.mark.parametrize("content", [b"PK\x03\x04rest", b"\x1f\x8brest", b"\xd0\xcf\x11\xe0rest"])
def test_a_spreadsheet_or_archive_is_named(folder: Path, content: bytes) -> None:
    with refused("t.csv", "CSV"):
        listing(folder, content)


@pytest.mark.parametrize(
    ("header", "values"),
    [
        ("a.wav,dog", ("file, label", "data.file_column")),
        ("path|label", ("file, label",)),
        ("file,label,label", ("2",)),
        ("File,FILE,label", ("2",)),
    ],
)
def test_a_header_that_is_absent_or_ambiguous_is_named(folder: Path, header: str, values: tuple[str, ...]) -> None:
    with refused("t.csv row 1", *values):
        listing(folder, header + "\na.wav,dog\n")


def test_an_exact_column_name_goes_before_other_cases(folder: Path) -> None:
    assert labels(listing(folder, "FILE,file,label\nx,a.wav,dog\n")) == {"a.wav": "dog"}


@pytest.mark.parametrize("second", ["a.wav", "./a.wav", "link.wav", "sub/../a.wav", "hard.wav", "{folder}/a.wav"])
def test_a_file_under_two_names_is_a_duplicate_with_both_rows(folder: Path, second: str) -> None:
    (folder / "sub").mkdir()
    (folder / "link.wav").symlink_to(folder / "a.wav")
    os.link(folder / "a.wav", folder / "hard.wav")
    rows = f"file,label,split\na.wav,dog,train\nb.wav,dog,val\n{second.format(folder=folder)},cat,test\n"
    with refused("t.csv row 4", "t.csv row 2", "dog", "train", "cat", "test"):
        listing(folder, rows, split="split")


def test_files_are_found_in_sub_folders_beside_the_table_and_by_absolute_path(folder: Path) -> None:
    for place in ("x/y", "meta/wavs", "elsewhere"):
        (folder / place).mkdir(parents=True)
    (folder / "data").mkdir()
    data = folder / "data"
    for name in ("deep/er/one.wav", "two.wav"):
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_text(name)
    (folder / "meta" / "wavs" / "three.wav").write_text("3")
    (folder / "meta" / "t.csv").write_text(
        HEAD + f"one.wav,a\ntwo.wav,a\nwavs/three.wav,b\n{folder / 'a.wav'},b\n{data.absolute() / 'two2.wav'},c\n"
    )
    (data / "two2.wav").write_text("22")
    result = table_items(data, "../meta/t.csv", "file", "label", None)
    assert [item.path.resolve().name for item in result.items] == [
        *("one.wav", "two.wav", "three.wav", "a.wav", "two2.wav")
    ]
    # Names of samples are the same on every machine where their files are in the folder.
    assert [item.id for item in result.items][::4] == ["one.wav", "two2.wav"]


def test_a_name_that_leads_to_two_files_is_refused(folder: Path) -> None:
    for place in ("x", "y"):
        (folder / place).mkdir()
        (folder / place / "same.wav").write_text(place)
    with refused("t.csv row 2", "x/same.wav", "y/same.wav"):
        listing(folder, HEAD + "same.wav,dog\n")
    (folder / "meta").mkdir()
    (folder / "meta" / "a.wav").write_text("another")
    (folder / "meta" / "t.csv").write_text(HEAD + "a.wav,dog\n")
    with refused("t.csv row 2", "meta/a.wav"):
        table_items(folder, "meta/t.csv", "file", "label", None)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("https://example.org/a.wav", ("URL",)),
        ("file:///a.wav", ("URL",)),
        ("sub\\d e.wav", ("back-slashes", "write sub/d e.wav")),
        ("sub/d%20e.wav", ("percent escapes", "write sub/d e.wav")),
        ("A.WAV", ("write a.wav",)),
        ("a", ("write a.wav",)),
        ("c:\\data\\z.wav", ("back-slashes",)),
        ("z.wav", ("z.wav, which is missing",)),
        ("sub", ("sub, which is missing",)),
        ("x" * 5000, ("missing",)),
    ],
)
def test_a_path_that_leads_nowhere_says_why_and_what_to_write(folder: Path, name: str, values: tuple[str, ...]) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "d e.wav").write_text("0")
    with refused("t.csv row 3", *values):
        listing(folder, HEAD + f"b.wav,cat\n{name},dog\n")


def test_accents_are_one_however_they_are_stored(folder: Path) -> None:
    apart, together = (unicodedata.normalize(form, "é") for form in ("NFD", "NFC"))
    (folder / f"{apart}.wav").write_text("0")
    result = listing(folder, HEAD + f"{together}.wav,caf{apart}\na.wav,caf{together}\n")
    assert result.classes == (f"caf{together}",)


@pytest.mark.parametrize(("one", "other"), [("1", "01"), ("1", "1.0"), ("0", "-0"), (".5", "0.5")])
def test_one_number_in_two_spellings_is_refused(folder: Path, one: str, other: str) -> None:
    with refused("t.csv", one, other, "rows 2 and 4"):
        listing(folder, HEAD + f"a.wav,{one}\nb.wav,x\nc.wav,{other}\n")
    assert len(listing(folder, HEAD + f"a.wav,{one}\nb.wav,{one}\n").classes) == 1


@pytest.mark.parametrize(
    "cell",
    [
        "\"['a', 'b']\"",
        "[]",
        "[3]",
        "[3 5]",
        '"[a, b]"',
        "['a']",
        '"[""a"", ""b""]"',
        "\"('a', 'b')\"",
        "[[3]]",
        "['a [b]']",
        "[a|b]",
        "[-1]",
    ],
)
def test_a_list_in_a_cell_is_refused(folder: Path, cell: str) -> None:
    (folder / "t.csv").write_text(f"{HEAD}a.wav,c\nb.wav,{cell}\n")
    with refused("t.csv row 3", "a list", "write it as a;b"):
        AudioReader(AudioData(folder=folder, csv="t.csv", multi_label=True)).listing(folder)
    assert len(AudioReader(AudioData(folder=folder, csv="t.csv")).listing(folder).classes) == 2


def test_a_name_in_brackets_is_a_class(folder: Path) -> None:
    (folder / "t.csv").write_text(f"{HEAD}a.wav,[laughter]\nb.wav,[speaker2];[noise]\n")
    result = AudioReader(AudioData(folder=folder, csv="t.csv", multi_label=True)).listing(folder)
    assert result.classes == ("[laughter]", "[noise]", "[speaker2]")


def test_several_labels_stand_in_one_value(folder: Path) -> None:
    section = AudioData(folder=folder, csv="t.csv", multi_label=True)

    def read(rows: str) -> list[tuple[str, ...]]:
        (folder / "t.csv").write_text(HEAD + rows)
        result = AudioReader(section).listing(folder)
        assert all(isinstance(item.label, tuple) for item in result.items)
        return [tuple(result.classes[number] for number in item.label) for item in result.items]  # type: ignore[union-attr]

    assert read('a.wav,"dog, cat"\nb.wav,dog\n') == [("cat", "dog"), ("dog",)]
    assert read('a.wav,"Dog, barking;Cat"\nb.wav,Cat\n') == [("Cat", "Dog, barking"), ("Cat",)]
    assert read("a.wav,dog|cat|dog\n") == [("cat", "dog")]
    with refused("t.csv row 3", "cat,,dog"):
        read('a.wav,dog\nb.wav,"cat,,dog"\n')
    with refused("t.csv row 3", "t.csv row 2"):
        read("a.wav,dog\na.wav,cat\n")


@pytest.mark.parametrize(
    ("text", "where"),
    [("cat\n\ndog\n", "row 2"), ("\ncat\n", "row 1"), ("cat\ndog\ncat\n", "row 3"), ("\n", "names.txt")],
)
def test_names_whose_numbers_would_shift_are_refused(tmp_path: Path, text: str, where: str) -> None:
    (tmp_path / "names.txt").write_text(text)
    with refused(where):
        class_names(tmp_path / "names.txt")
    (tmp_path / "names.txt").write_bytes("\ufeffcat\r\ndög \r\n\r\n".encode())
    assert class_names(tmp_path / "names.txt") == ("cat", "dög")


def test_what_a_table_leaves_out_and_labels_in_two_cases_are_said(folder: Path) -> None:
    (folder / "x").mkdir()
    (folder / "x" / "d.flac").write_text("d")
    (folder / "x" / "notes.txt").write_text("no recording")
    (folder / "link.wav").symlink_to(folder / "a.wav")
    (folder / "t.csv").write_text(HEAD + "a.wav,Dog\nb.wav,dog\n")
    result = AudioReader(AudioData(folder=folder, csv="t.csv")).listing(folder)
    assert dict(result.unread) == {".wav not in the table": 1, ".flac not in the table": 1}
    assert any("Dog" in note and "dog" in note for note in result.notes)


@pytest.mark.parametrize(
    ("rows", "classes", "values"),
    [
        ("a.wav,dog/cat\nb.wav,cat\n", ("cat", "dog/cat"), ("no sample has several labels",)),
        ("a.wav,dog;cat\nb.wav,dog|cow\n", ("cat", "dog", "dog|cow"), ("by ;", "| is part", "'dog|cow'")),
        ("a.wav,dog;cat\nb.wav,cow\n", ("cat", "cow", "dog"), ()),
    ],
)
def test_a_separator_that_is_none_is_said(
    folder: Path, rows: str, classes: tuple[str, ...], values: tuple[str, ...]
) -> None:
    """Else the labels of a sample become one class in silence."""
    (folder / "t.csv").write_text(HEAD + rows)
    several = table_items(folder, "t.csv", "file", "label", None, section=AudioData(multi_label=True))
    assert several.classes == classes
    assert len(several.notes) == bool(values)
    assert all(value in several.notes[0] for value in values)
    one = table_items(folder, "t.csv", "file", "label", None, section=AudioData())
    assert one.notes == ()


@pytest.mark.parametrize("header", ["file,age,height (cm)", "file,blackbird,robin"])
def test_columns_of_numbers_and_marks_are_led_to_their_settings(folder: Path, header: str) -> None:
    with refused("t.csv row 1", "label", "objective=regression", "data.multi_label=true", "data.label_columns=[A,B]"):
        listing(folder, f"{header}\na.wav,1,0\n")


def test_labels_that_are_nearly_all_different_numbers_are_noted() -> None:
    def notes(labels: Sequence[object]) -> tuple[str, ...]:
        return class_notes([str(label) for label in labels], sorted({str(label) for label in labels}), False)

    assert "objective=regression" in notes(range(30, 42))[0]
    for labels in ([*range(10)] * 2, [*range(9)], [f"s{number}" for number in range(12)], [*range(11), "old"]):
        assert notes(labels) == ()
