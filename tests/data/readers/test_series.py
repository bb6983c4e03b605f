"""The reader of time series: layouts, channels, what is done to values, and that it is said."""

from pathlib import Path

import numpy as np
import pytest

from crosspath.catalogue.check import check
from crosspath.catalogue.recognise import guess_section
from crosspath.config.data import SeriesData
from crosspath.data.cache import load_or_decode
from crosspath.data.items import DamageError
from crosspath.data.readers.series import SeriesReader, read_signal
from crosspath.modalities.load import load_data, read_with_remarks, with_absolute_folder
from tests.data.readers.test_series_ts import write_ts
from tests.errors import refused

CASES = ["1,2,3:4,5,6:a", "1,?:2,2:b", "0,1,2,3:0,0,0,0:a", "5,5,5:5,5,5:b"]
HEADER = ("@timeStamps false", "@classLabel true b a")


def write_csvs(folder: Path, per_class: int = 4) -> Path:
    """Two classes of files with two channels; the first file lacks a value, lengths differ."""
    for label, name in enumerate(("off", "on")):
        (folder / name).mkdir(parents=True)
        for number in range(per_class):
            values = np.random.default_rng((label, number)).normal(label, 1, (20 + number, 2)).round(4)
            rows = [f"{x},{y}" for x, y in values]
            if number == 0:
                rows[3] = f"{values[3, 0]},"
            (folder / name / f"{number}.csv").write_text("\n".join(["x,y", *rows]) + "\n", encoding="utf-8")
    return folder


def test_a_pair_of_the_archive_is_read_with_its_parts(tmp_path: Path) -> None:
    write_ts(tmp_path / "Set_TRAIN.ts", HEADER, CASES)
    write_ts(tmp_path / "Set_TEST.ts", HEADER, CASES[:2])
    section = guess_section(tmp_path)
    assert (section.modality, getattr(section, "channels", None)) == ("series", 2)
    reader = SeriesReader(SeriesData(folder=tmp_path, channels=2, length=4, lengths="pad"))
    listing = reader.listing(tmp_path)
    assert listing.classes == ("a", "b")
    assert [item.part for item in listing.items] == ["train"] * 4 + ["test"] * 2
    with reader.open_decoder() as decode:
        samples = [decode(item) for item in listing.items]
    np.testing.assert_array_equal(samples[0], [[1, 2, 3, 3], [4, 5, 6, 6]])
    np.testing.assert_array_equal(samples[1], [[1, 1, 1, 1], [2, 2, 2, 2]])
    gaps, lengths = reader.remarks()
    assert "2 in 2 of 6" in gaps
    assert "2 to 4 values become 4" in lengths
    write_ts(tmp_path / "Other.ts", HEADER, CASES)
    with refused(tmp_path.name, "Other.ts"):
        reader.listing(tmp_path)


def test_a_file_in_another_encoding_says_how_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("größe\n1\n2\n".encode("latin-1"))
    with pytest.raises(DamageError, match=r"row 1: .*--set data\.encoding=cp1252"):
        read_signal(tmp_path / "a.csv", SeriesData())
    assert read_signal(tmp_path / "a.csv", SeriesData(encoding="cp1252")).values_CT.tolist() == [[1, 2]]


def test_a_film_is_not_taken_for_a_series(tmp_path: Path) -> None:
    (tmp_path / "clip.ts").write_bytes(b"G@\x00\x10" * 47)
    assert guess_section(tmp_path).modality == "video"


def test_what_was_done_is_said_also_from_the_cache(tmp_path: Path) -> None:
    folder = write_csvs(tmp_path / "data")
    section = with_absolute_folder(SeriesData(length=16), folder)
    assert isinstance(section, SeriesData)
    assert section.channels == 2
    for _ in range(2):
        store = load_or_decode(tmp_path / "cache", "own", folder, SeriesReader(section), None)
        gaps, lengths = store.notes
        assert "2 in 2 of 8" in gaps
        assert "20 to 23" in lengths
    report = check(folder, None, [section])
    assert store.notes[0] in report.notes
    sample, remarks = read_with_remarks(section, folder / "on" / "0.csv")
    assert sample.shape == (2, 16)
    assert "1 in 1 of 1" in remarks[0]


def test_files_that_disagree_are_damaged(tmp_path: Path) -> None:
    folder = write_csvs(tmp_path / "data")
    (folder / "on" / "9.csv").write_text("x\n1\n2\n", encoding="utf-8")
    section = with_absolute_folder(SeriesData(length=16, cache_folder=tmp_path / "cache"), folder)
    with refused("9.csv", "1", "2 channels"):
        load_data(section, None, 0)
    assert len(load_data(section.model_copy(update={"skip_damaged": True}), None, 0).damaged_files) == 1


def test_a_rate_has_to_be_known(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("t,x\n0,1\n0.5,2\n1,3\n1.5,4\n", encoding="utf-8")
    (tmp_path / "b.csv").write_text("x\n1\n2\n3\n4\n", encoding="utf-8")
    section = SeriesData(channels=1, length=8, lengths="pad", rate_hz=4.0)
    np.testing.assert_allclose(SeriesReader(section).decode_file(tmp_path / "a.csv")[0, [0, 7]], [1, 4])
    with refused("data.file_rate_hz", "4 Hz"):
        SeriesReader(section).decode_file(tmp_path / "b.csv")
    stated = section.model_copy(update={"file_rate_hz": 4.0})
    np.testing.assert_array_equal(SeriesReader(stated).decode_file(tmp_path / "b.csv"), [[1, 2, 3, 4, 4, 4, 4, 4]])


def test_a_series_can_be_scaled_by_itself(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x\n1\n3\n", encoding="utf-8")
    section = SeriesData(channels=1, length=4, lengths="pad", scaling="series")
    np.testing.assert_array_equal(SeriesReader(section).decode_file(tmp_path / "a.csv"), [[-1, 1, 1, 1]])
    (tmp_path / "b.csv").write_text("x\n1e300\n3\n", encoding="utf-8")
    with pytest.raises(DamageError, match="32-bit"):
        SeriesReader(section.model_copy(update={"scaling": "none"})).decode_file(tmp_path / "b.csv")
    write_ts(tmp_path / "c.ts", HEADER, CASES)
    with pytest.raises(DamageError, match="found 4"):
        SeriesReader(section).decode_file(tmp_path / "c.ts")


def test_a_table_names_the_files(tmp_path: Path) -> None:
    folder = write_csvs(tmp_path / "data")
    (folder / "list.csv").write_text("file,label\n" + "".join(f"on/{n}.csv,{n % 2}\n" for n in range(4)), "utf-8")
    section = with_absolute_folder(SeriesData(csv="list.csv", length=16), folder)
    listing = SeriesReader(section).listing(folder)  # type: ignore[arg-type]
    assert (listing.classes, len(listing.items)) == (("0", "1"), 4)
    assert listing.unread == ((".csv not in the table", 4),)


@pytest.mark.parametrize("suffix", [".dat", ".mat"])
@pytest.mark.parametrize("table", [None, "list.csv"])
def test_a_record_whose_data_change_is_another_sample(tmp_path: Path, suffix: str, table: str | None) -> None:
    (tmp_path / "on").mkdir()
    for name, size in ((f"a{suffix}", 3), ("a.hea", 5)):
        (tmp_path / "on" / name).write_bytes(b"0" * size)
    (tmp_path / "list.csv").write_text("file,label\non/a.hea,x\n")
    reader = SeriesReader(SeriesData(csv=table))
    [before] = reader.listing(tmp_path).items
    (tmp_path / "on" / f"a{suffix}").write_bytes(b"00")
    [after] = reader.listing(tmp_path).items
    assert before.stamp != after.stamp


def test_channels_are_matched_by_name(tmp_path: Path) -> None:
    for name, text in {"off/0": "x,y\n1,2\n1,2\n", "off/1": "Y,x\n2,1\n2,1\n", "on/0": "u,v\n5,6\n5,6\n"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).with_suffix(".csv").write_text(text, encoding="utf-8")
    section = with_absolute_folder(SeriesData(channels=2, length=2), tmp_path)
    assert isinstance(section, SeriesData)
    assert section.channel_names == ("x", "y")
    reader = SeriesReader(section)
    with reader.open_decoder() as decode:
        samples = [decode(item)[:, 0].tolist() for item in reader.listing(tmp_path).items]
    assert samples == [[1, 2], [1, 2], [5, 6]]
    order, others = reader.remarks()
    assert "1 of 3" in order
    assert "x, y" in order
    assert "1 of 3" in others
    assert "by place" in others


def test_a_first_row_that_is_read_as_names_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("0,1,2\n5,6,7\n8,9,10\n", encoding="utf-8")
    (tmp_path / "b.csv").write_text("1,2,3\n5,6,7\n", encoding="utf-8")
    reader = SeriesReader(SeriesData(channels=3, length=2))
    for name in ("a.csv", "b.csv"):
        reader.decode_file(tmp_path / name)
    [note] = reader.remarks()
    assert "0, 1, 2" in note
    assert "1 of 2" in note


def test_another_rate_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("t,x\n0,1\n20,2\n40,3\n", encoding="utf-8")  # milliseconds, read as seconds
    reader = SeriesReader(SeriesData(channels=1, length=3, lengths="pad", rate_hz=0.1))
    reader.decode_file(tmp_path / "a.csv")
    assert any("0.05 Hz" in note and "0.1 Hz" in note for note in reader.remarks())
