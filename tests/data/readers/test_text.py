"""Tables and folders of texts: what is read, what is said, and what is refused."""

import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crosspath.catalogue.check import check
from crosspath.catalogue.recognise import guess_section
from crosspath.config.data import TextData
from crosspath.data.items import Listing
from crosspath.data.readers.text import TextReader
from crosspath.errors import InputError
from crosspath.modalities.load import load_data
from tests.data.texts import write_table
from tests.errors import refused


def listed(folder: Path, **values: object) -> tuple[Listing, list[str]]:
    """What a folder holds, and its texts."""
    reader = TextReader(TextData(dataset="folder", length=64, **values))  # type: ignore[arg-type]
    listing = reader.listing(folder)
    with reader.open_decoder() as decode:
        rows = [decode(item) for item in listing.items]
    return listing, [bytes(int(number) for number in row[1:-1] if number >= 0).decode() for row in rows]


TEXTS = ["Where is it,\nmy card?", 'He said "no".', "naïve – 5 €"]
TABLES = {
    "plain.csv": 'text,label\n"Where is it,\nmy card?",b\n\n"He said ""no"".",a\nnaïve – 5 €,b\n',
    "semicolons.csv": 'label;text\nb;"Where is it,\nmy card?"\na;"He said ""no""."\nb;naïve – 5 €\n',
    "tabs.tsv": 'id\tsentence\tcategory\n1\t"Where is it,\nmy card?"\tb\n2\t"He said ""no""."\ta\n3\tnaïve – 5 €\tb\n',
    "lines.jsonl": '{"text": "Where is it,\\nmy card?", "label": "b"}\n\n{"label": "a", "text": "He said \\"no\\"."}\n'
    '{"text": "naïve – 5 €", "label": "b", "more": [1]}\n',
}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_tables_in_any_form_give_the_same_texts(name: str, encoding: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(TABLES[name].encode(encoding))
    listing, texts = listed(tmp_path, encoding="cp1252" if encoding == "cp1252" else None)
    assert texts == TEXTS
    assert [listing.classes[item.label] for item in listing.items] == ["b", "a", "b"]  # type: ignore[index]
    assert listing.classes == ("a", "b")
    [note] = listing.notes
    assert name in note
    assert "as texts" in note
    assert listed(tmp_path / name, encoding="cp1252" if encoding == "cp1252" else None)[1] == TEXTS


def test_another_encoding_is_refused_with_the_setting(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(TABLES["plain.csv"].encode("cp1252"))
    with refused("a.csv", "--set data.encoding=cp1252"):
        listed(tmp_path)


@pytest.mark.parametrize(
    ("content", "settings", "where", "values"),
    [
        ("text,sentence,label\na b,c,d\n", {}, "a.csv", ("text and sentence", "data.text_column")),
        ("text,label,class\na b,c,d\n", {}, "a.csv", ("label and class", "data.label_column")),
        ("one,two\na b,c\n", {}, "a.csv", ("one, two", "data.text_column")),
        ("text,label\na b,c\n", {"text_column": "body"}, "a.csv", ("body", "text, label")),
        ("text,label\na b,c,d\n", {}, "a.csv row 2", ("2 values", "3")),
        ('text,label\na b,c\n"d e,f\n', {}, "a.csv row 3", ()),
        ("text,label\na b,c\nd e,\n", {}, "a.csv row 3", ("label",)),
        ("text,text\na b,c\n", {}, "a.csv row 1", ("text",)),
        ("text,label\n", {}, "a.csv", ("none",)),
        ("", {}, "a.csv", ("none",)),
        ("text,label,split\na b,c,late\n", {"split_column": "split"}, "a.csv row 2", ("late",)),
        ("text,label\na b,1\nc d,01\n", {}, "a.csv", ("01 and 1",)),
        ("text,label,split\na b,c,train\na b,c,dev\n", {}, "a.csv row 3", ("split", "dev")),
        (f"text,label\n{'x' * 140_000},c\n", {}, "a.csv row 2", ("131,072", ".jsonl")),
    ],
)
def test_what_could_be_read_in_two_ways_is_asked_for(
    content: str, settings: dict[str, str], where: str, values: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text(content)
    with refused(where, *values):
        listed(tmp_path, **settings)


def test_lines_that_are_no_objects_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a b", "label": 1}\n[1]\n')
    with refused("a.jsonl row 2", "list"):
        listed(tmp_path)
    for label, found in (('["a", "b"]', ("one value in `label`", "a list")), ("NaN", ("a label", "none"))):
        line = '{"text": "a b", "label": "c", "meta": {"x": 1}}'
        (tmp_path / "a.jsonl").write_text(f'{line}\n{{"text": "a b", "label": {label}}}\n')
        with refused("a.jsonl row 2", *found):
            listed(tmp_path)
    (tmp_path / "a.jsonl").write_text('{"text": "a b", "label": 1, "text": "c d"}\n')
    with refused("a.jsonl row 1", "text", "twice"):
        listed(tmp_path)
    (tmp_path / "a.jsonl").write_text('{"text": "a b"\n')
    with refused("a.jsonl row 1"):
        listed(tmp_path)


def test_parts_come_from_the_names_of_tables_or_a_column(tmp_path: Path) -> None:
    for part in ("train", "val", "test"):
        write_table(tmp_path / "three" / f"{part}.csv", 2)
    listing, _ = listed(tmp_path / "three")
    assert [item.part for item in listing.items].count("val") == 8
    (tmp_path / "column").mkdir()
    (tmp_path / "column" / "all.csv").write_text("text,label,split\na b,x,train\nc d,y,Test\n")
    listing, _ = listed(tmp_path / "column")
    assert [item.part for item in listing.items] == ["train", "test"]
    assert "split as parts" in listing.notes[0]
    write_table(tmp_path / "three" / "more.csv", 2)
    with refused("three", "more.csv", "data.table"):
        listed(tmp_path / "three")
    assert len(listed(tmp_path / "three", table="more.csv")[1]) == 8


def test_class_folders_of_text_files(tmp_path: Path) -> None:
    for label in ("good", "bad"):
        for number in range(3):
            path = tmp_path / label / f"{number}.txt"
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"it was {label}\n{number}", encoding="utf-8")
    listing, texts = listed(tmp_path)
    assert listing.classes == ("bad", "good")
    assert texts[0] == "it was bad\n0"


def test_texts_without_labels_are_one_class(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text\none two\nthree four\n")
    assert listed(tmp_path)[0].classes == ("unlabelled",)


def test_cut_texts_are_counted_and_empty_ones_refused_or_skipped(tmp_path: Path) -> None:
    rows = [f"a{'b' * number} c,{'x' if number % 2 else 'y'}" for number in range(20)]
    (tmp_path / "a.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    section = TextData(folder=tmp_path, dataset="folder", length=16, cache_folder=tmp_path.parent / "cache")
    for _ in range(2):  # decoded, then from the cache
        data = load_data(section, None, 0)
        [cut] = [note for note in data.notes if "cut" in note]
        assert "7 of 20 texts are longer than 16 tokens" in cut
        assert "longest has 23" in cut
    with (tmp_path / "a.csv").open("a") as file:
        file.write('"   ",x\n')
    with refused("a.csv", "empty text in row 22"):
        load_data(section, None, 0)
    data = load_data(section.model_copy(update={"skip_damaged": True}), None, 0)
    assert len(data.damaged_files) == 1
    assert sum(len(part) for part in (data.train, data.validation, data.test)) == 20


def test_a_check_and_generated_sentences_count_cut_texts_too(tmp_path: Path) -> None:
    rows = [f"a{'b' * number} c,{'x' if number % 2 else 'y'}" for number in range(20)]
    (tmp_path / "a.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    notes = check(tmp_path, None, [TextData(folder=tmp_path, dataset="folder", length=16)]).notes
    assert [note.partition(" are longer")[0] for note in notes if "cut" in note] == ["7 of 20 texts"]
    assert any("are cut" in note for note in load_data(TextData(dataset="sentences", length=16), None, 0).notes)


def test_parquet_needs_its_library_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with refused("a.parquet", "pyarrow", "pip install 'crosspath[text]'"):
        listed(tmp_path)


def test_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    pyarrow = pytest.importorskip("pyarrow")
    table = pyarrow.table({"text": TEXTS, "label": [1, 0, 1], "vector": [[1.0], [2.0], [3.0]]})
    parquet.write_table(table, tmp_path / "a.parquet")
    listing, texts = listed(tmp_path)
    assert texts == TEXTS
    assert listing.classes == ("0", "1")
    monkeypatch.setenv("CROSSPATH_MAX_SAMPLES", "2")
    with refused("a.parquet", "CROSSPATH_MAX_SAMPLES=3"):
        listed(tmp_path)
    (tmp_path / "a.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:-30])
    with refused("a.parquet", "damaged"):
        listed(tmp_path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=80) | st.text(alphabet='text,label"\n\r;\t{}:[]01é ', max_size=80).map(str.encode))
@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl"])
def test_any_bytes_are_read_or_refused(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    try:
        fault = "" if TextReader(TextData(dataset="folder")).listing(tmp_path).items else "nothing and no word of it"
    except InputError as error:
        fault = "lines" * ("\n" in str(error))
    assert not fault


def test_texts_are_told_from_clouds_signals_and_lists_of_files(tmp_path: Path) -> None:
    write_table(tmp_path / "table" / "reviews.csv", 3)
    assert guess_section(tmp_path / "table").modality == "text"
    assert guess_section(tmp_path / "table" / "reviews.csv").modality == "text"
    for name, content in {"words": "it was good\n", "clouds": "0.1 0.2 0.3\n0.4 0.5 0.6\n"}.items():
        for label in ("a", "b"):
            (tmp_path / name / label).mkdir(parents=True)
            (tmp_path / name / label / "1.txt").write_text(content)
    assert guess_section(tmp_path / "words").modality == "text"
    assert guess_section(tmp_path / "clouds").modality == "point"
    for label in ("a", "b"):
        (tmp_path / "signals" / label).mkdir(parents=True)
        (tmp_path / "signals" / label / "1.csv").write_text("x,y\n0.1,0.2\n0.3,0.4\n")
    assert guess_section(tmp_path / "signals").modality == "series"
    (tmp_path / "listed" / "sounds").mkdir(parents=True)
    (tmp_path / "listed" / "sounds" / "a.wav").touch()
    (tmp_path / "listed" / "meta.csv").write_text("file,label\na b.wav,dog bark\n")
    assert guess_section(tmp_path / "listed").modality == "audio"


@pytest.mark.parametrize("header", ['"text (raw, unedited)";label', '"text; raw; x",label', 'label;"text, raw, x"'])
def test_a_separator_inside_quotes_separates_nothing(tmp_path: Path, header: str) -> None:
    mark = ";" if '";' in header or ';"' in header else ","
    name, rows = header.replace("label", "").strip(mark).strip('"'), [f'"a{mark} b"', "x"]
    rows = rows[::-1] if header.startswith("label") else rows
    (tmp_path / "a.csv").write_text(f"{header}\n" + f"{mark.join(rows)}\n" * 2)
    listing, texts = listed(tmp_path, text_column=name)
    assert (listing.classes, texts) == (("x",), [f"a{mark} b"] * 2)


def test_an_open_quote_merges_no_rows_of_tabs(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text('label\ttext\nx\t"one\ny\ttwo"\nx\tthree\n')
    with refused("a.tsv row 2", "quote"):
        listed(tmp_path)


def test_columns_of_a_table_that_is_not_there_are_noted(tmp_path: Path) -> None:
    for label in "ab":
        (tmp_path / label).mkdir()
        (tmp_path / label / "0.txt").write_text("text")
    [note] = listed(tmp_path, label_column="kind")[0].notes
    assert "data.label_column=kind is not read" in note
