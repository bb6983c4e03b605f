"""Time series in csv, parquet and arrays: what others write is read, what is unclear is refused with its place."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crosspath.config.data import SeriesData
from crosspath.data.items import DamageError
from crosspath.data.readers.series import SeriesReader, read_signal
from crosspath.data.readers.series_columns import read_columns
from crosspath.data.readers.series_sets import list_table, read_all
from crosspath.data.readers.series_tables import read_recording
from tests.errors import refused

SECTION = SeriesData()


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@given(
    rows=st.lists(st.lists(st.none() | st.floats(-1e9, 1e9), min_size=3, max_size=3), min_size=1, max_size=6),
    delimiter=st.sampled_from(",;\t"),
    comma=st.booleans(),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_pythons_writer_writes_is_read(tmp_path: Path, rows: Any, delimiter: str, comma: bool) -> None:
    def text(value: float | None) -> str:
        shown = "" if value is None else repr(float(value))
        return shown.replace(".", ",") if comma and delimiter != "," else shown

    with (tmp_path / "a.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(["x", "y", "current, A"])
        writer.writerows([text(value) for value in row] for row in rows)
    expected = np.array([[np.nan if value is None else value for value in row] for row in rows]).T
    np.testing.assert_array_equal(read_signal(tmp_path / "a.csv", SECTION).values_CT, expected)


def test_times_and_an_index_are_no_channels(tmp_path: Path) -> None:
    signal = read_signal(write(tmp_path / "a.csv", ",Time,x,y\n0,0.0,1,2\n1,0.5,3,4\n2,1.0,5,6\n"), SECTION)
    np.testing.assert_array_equal(signal.values_CT, [[1, 3, 5], [2, 4, 6]])
    assert signal.rate_hz == 2.0
    dates = "when;x\n2026-01-01T00:00:00;1\n2026-01-01T00:00:10;2\n"
    dated = read_signal(write(tmp_path / "b.csv", dates), SeriesData(time_column="When"))
    assert dated.rate_hz == 0.1
    chosen = read_signal(tmp_path / "a.csv", SeriesData(columns=("y", "Time")))
    np.testing.assert_array_equal(chosen.values_CT, [[2, 4, 6], [0, 0.5, 1]])
    one = read_signal(write(tmp_path / "d.csv", "x\n1\n\n3\n\n"), SECTION)
    np.testing.assert_array_equal(one.values_CT, [[1, np.nan, 3]])
    bare = read_signal(write(tmp_path / "c.csv", "1;2,5\n3;?\n"), SECTION)
    np.testing.assert_array_equal(bare.values_CT, [[1, 3], [2.5, np.nan]])
    for name, table in (("h.csv", "1,5;2,5\n3,5;4,5\n"), ("i.csv", "1,5\t2,5\n3,5\t4,5\n")):
        commas = read_signal(write(tmp_path / name, table), SECTION)
        np.testing.assert_array_equal(commas.values_CT, [[1.5, 3.5], [2.5, 4.5]])
    for name, table in (("e.csv", ",0,1,2\n0,5,6,7\n1,8,9,10\n"), ("f.csv", "0,1,2\n5,6,7\n8,9,10\n")):
        signal = read_signal(write(tmp_path / name, table), SECTION)  # pandas numbers the columns of an array
        np.testing.assert_array_equal(signal.values_CT, [[5, 8], [6, 9], [7, 10]])
    wide = write(tmp_path / "g.csv", "id,label,Time,start,t0,t1\n100,a,7,7,1,2\n101,b,8,8,3,4\n")
    [signal, _] = read_all(wide, SeriesData(table="g.csv", time_column="start"))
    np.testing.assert_array_equal(signal.values_CT, [[1, 2]])


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("0\n5.0\n5.25\n", 2),
        ("0,1\n5.10,6.00\n5.25,\n", 2),
        ("0;1\n5,0;6,0\n5,25;6,25\n", 2),
        ("0\n", 1),
        ("0\n0.5\n0.75\n", 3),  # as JavaScript writes 0.0
        ("0,1\n5.0,6\n5.5,7\n", 3),
        ("0\n5.0\n6\n", 3),
    ],
)
def test_0_and_1_are_names_where_numbers_have_another_form(tmp_path: Path, text: str, length: int) -> None:
    assert read_signal(write(tmp_path / "a.csv", text), SECTION).values_CT.shape[1] == length


def test_names_with_underscores_are_no_numbers(tmp_path: Path) -> None:
    assert read_signal(write(tmp_path / "a.csv", "1_1,1_2\n1,2\n3,4\n"), SECTION).names == ("1_1", "1_2")


@pytest.mark.parametrize("name", ["label", "Label", "kind", "part", "who", "Class", "target", "subject", "id"])
def test_a_recording_does_not_hold_its_own_answer(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"time,x,{name}\n0,1,2\n1,3,2\n")
    section = SeriesData(label_columns=("kind",), split_column="part", id_column="who")
    with pytest.raises(DamageError, match=f"{name}.*data.columns"):
        read_recording(path, section)
    chosen = section.model_copy(update={"columns": ("x", name)})
    assert read_recording(path, chosen).values_CT.tolist() == [[1, 3], [2, 2]]


@pytest.mark.parametrize(("unit", "rate"), [("s", 2), ("sec", 2), ("ms", 2000), ("\u00b5s", 2e6), ("min", 1 / 30)])
def test_a_column_of_times_may_have_a_unit(tmp_path: Path, unit: str, rate: float) -> None:
    for name in (f"Time ({unit})", f"time [{unit}]", f"t({unit})"):
        signal = read_signal(write(tmp_path / "a.csv", f"{name},x (V)\n0,1\n0.5,3\n1,5\n"), SECTION)
        assert signal.names == ("x (V)",)
        assert signal.rate_hz == pytest.approx(rate)
    for name in ("T (K)", "t[0]"):
        signal = read_signal(write(tmp_path / "b.csv", f"{name},x\n0,1\n0.5,3\n"), SECTION)
        assert (signal.names, signal.rate_hz) == ((name, "x"), None)


def test_an_index_is_no_channel(tmp_path: Path) -> None:
    signal = read_signal(write(tmp_path / "a.csv", "Index,x\n0,1\n1,3\n"), SECTION)
    assert signal.names == ("x",)
    chosen = read_signal(tmp_path / "a.csv", SeriesData(columns=("Index", "x")))
    assert chosen.names == ("Index", "x")


@pytest.mark.parametrize("settings", [{}, {"id_column": "id"}])
def test_a_column_of_another_answer_is_no_value_of_a_table(tmp_path: Path, settings: dict[str, Any]) -> None:
    text = "id,index,label,Subject,t0,t1\n1,0,a,7,1,2\n2,1,b,8,3,4\n"
    path, section = write(tmp_path / "all.csv", text), SeriesData(table="all.csv", **settings)
    with refused("all.csv", "Subject", "data.columns"):
        list_table(path, section)
    write(path, text.replace("Subject", "start (ms)"))
    assert list_table(path, section.model_copy(update={"columns": ("t0", "t1")})).classes == ("a", "b")
    write(path, text.replace("Subject", "Time [s]"))
    values = read_all(path, section)[0].values_CT
    assert values.tolist() == ([[1], [2]] if settings else [[1, 2]])


def test_times_with_an_offset_ascend_where_clocks_are_changed(tmp_path: Path) -> None:
    times = ("10-27T02:40+02:00", "10-27T02:50+02:00", "10-27T02:00+01:00", "10-27T02:10+01:00")
    table = "time,x\n" + "".join(f"2024-{time},{value}\n" for value, time in enumerate(times))
    signal = read_signal(write(tmp_path / "a.csv", table), SECTION)
    assert signal.rate_hz == 1 / 600
    assert not signal.irregular
    np.testing.assert_array_equal(signal.values_CT, [[0, 1, 2, 3]])


@pytest.mark.parametrize("name", ["date", "Timestamp", "day"])
def test_dates_of_digits_alone_are_dates(tmp_path: Path, name: str) -> None:
    days = [20240130, 20240131, 20240201, 20240202]
    path = write(tmp_path / "a.csv", f"{name},x\n" + "".join(f"{day},{place}\n" for place, day in enumerate(days)))
    columns = read_columns(path)
    np.testing.assert_array_equal(np.diff(columns.seconds(name)), 86400)
    numbers = replace(columns, cells={name: np.array(days)})
    np.testing.assert_array_equal(np.diff(numbers.seconds(name)), 86400)
    for wrong in ("20240231", "202402"):
        with pytest.raises(DamageError, match=f"ISO date in `{name}`, found '{wrong}': write"):
            replace(columns, cells={name: ("20240131", wrong)}).seconds(name)


@pytest.mark.parametrize(
    ("dates", "step"),
    [
        (("20240128103058", "20240128103059", "20240128103100"), 1),
        (("202401281058", "202401281059", "202401281100"), 60),
        (("2024012822", "2024012823", "2024012900"), 3600),
        (("20240128103059.25", "20240128103059.75", "20240128103100.25"), 0.5),
        (("20240128103059250", "20240128103059750", "20240128103100250"), 0.5),
        (("20240128103059,250", "20240128103059,750", "20240128103100,250"), 0.5),
    ],
)
def test_times_of_digits_alone_are_times_of_a_day(tmp_path: Path, dates: tuple[str, ...], step: float) -> None:
    rows = "".join(f"{date};{place}\n" for place, date in enumerate(dates))
    path = write(tmp_path / "a.csv", f"timestamp;x\n{rows}")
    assert read_signal(path, SECTION).rate_hz == 1 / step
    numbers = [int(date) if date.isdigit() else float(date.replace(",", ".")) for date in dates]
    columns = replace(read_columns(path), cells={"timestamp": numbers})
    np.testing.assert_array_equal(np.diff(columns.seconds("timestamp")), step)
    for ticks in (("201706438000", "201706438010"), ("1706438000000", "1706438000010")):  # micro- and milliseconds
        np.testing.assert_array_equal(np.diff(replace(columns, cells={"timestamp": ticks}).seconds("timestamp")), 10)


def test_digits_alone_in_a_column_of_seconds_are_seconds(tmp_path: Path) -> None:
    for name, first in (("time", 20240131), ("timestamp", 1706700000)):
        path = write(tmp_path / "a.csv", f"{name},x\n{first},1\n{first + 2},2\n")
        assert read_signal(path, SECTION).rate_hz == 0.5


@pytest.mark.parametrize(
    ("text", "settings", "found"),
    [
        ("x,y\n1,2\n3\n", {}, "row 3: expected 2 values, found 1"),
        ("x,state\n1,on\n", {}, "row 2: expected a number in `state`, found 'on'"),
        ("x,x\n1,2\n", {}, "row 1: expected columns of different names"),
        ("x,y\n1,1_000\n", {}, "row 2: expected a number in `y`, found '1_000'"),
        ("x,y\n1,\uff11\uff10\n", {}, "row 2: expected a number in `y`"),
        ("x;y\n1;1.234,5\n", {}, "row 2: expected a number in `y`"),
        ("time,x\n1,1\n1,2\n", {}, "ascend"),
        ("time,x\nnoon,1\n1,2\n", {}, "row 2: expected seconds or an ISO date"),
        ("time\n1\n2\n", {}, "found time"),
        ("x\n1\n", {"columns": ("z",)}, "data.columns"),
        ("x\n1\n", {"time_column": "z"}, "data.time_column"),
        ('x,y\n"1,2\n', {}, "row 2"),
        ("", {}, "empty"),
    ],
)
def test_an_unclear_file_is_damaged_with_its_row(
    tmp_path: Path, text: str, settings: dict[str, Any], found: str
) -> None:
    with pytest.raises(DamageError) as caught:
        read_signal(write(tmp_path / "a.csv", text), SeriesData(**settings))
    assert found in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("x\ty\n987.5\t0.0\n1,004\t0.5\n", "row 3: .*`x`, found 1,004"),
        ("x;y\n987;0\n1,004;1\n", "row 3: .*`x`, found 1,004"),
        ("x;y\n999;0,5\n1.004;2,5\n", "row 3: .*`x`, found 1.004"),
        ("x;y\n987.5;1\n1004,5;2\n", "row 3: .*`x`, found 1004,5"),
        ("time;y\n999;1\n1,004;2\n", "row 3: .*`time`, found 1,004"),
    ],
)
def test_what_may_be_thousands_or_decimals_is_refused(tmp_path: Path, text: str, found: str) -> None:
    with pytest.raises(DamageError, match=found):
        read_signal(write(tmp_path / "a.csv", text), SECTION)


def test_a_comma_is_decimal_where_another_number_shows_it(tmp_path: Path) -> None:
    signal = read_signal(write(tmp_path / "a.csv", "x;y;z\n1,004;0,5;1.25\n987;12,5;1.5\n"), SECTION)
    np.testing.assert_array_equal(signal.values_CT, [[1.004, 987], [0.5, 12.5], [1.25, 1.5]])


def test_a_comma_between_labels_is_not_decimal(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", "t\tv\tlabel\n0\t21.375\t0,1\n1\t22.125\t0,2\n")
    np.testing.assert_array_equal(read_signal(path, SeriesData(columns=("v",))).values_CT, [[21.375, 22.125]])
    table = write(tmp_path / "b.tsv", "id\tv0\tv1\tlabel\na\t21.375\t1.125\t0,1\nb\t22.125\t2.125\t0,2\n")
    for section in (SeriesData(table="b.tsv"), SeriesData(table="b.tsv", columns=("v0", "v1"))):
        [first, _] = read_all(table, section)
        np.testing.assert_array_equal(first.values_CT, [[21.375, 1.125]])
    numbers = SeriesData(table="b.tsv", label_kind="numbers")
    with refused("b.tsv", "row 2", "`v0`, found 21.375: write all numbers of the table with one decimal mark"):
        list_table(table, numbers)
    rows = "label;v0;v1\n1,004;0.5;2.5\n987;1.5;1.5\n"
    with refused("c.csv", "row 2", "`label`, found 1,004"):
        list_table(write(tmp_path / "c.csv", rows), numbers)


def test_numbers_to_predict_are_no_thousands_read_as_decimals(tmp_path: Path) -> None:
    section = SeriesData(table="a.csv", label_kind="numbers")
    rows = "".join(f"{label};0;1\n" for label in ("987.5", "1,250", "1,500", "999"))
    with refused("a.csv", "row 3", "`label`", "1,250"):
        list_table(write(tmp_path / "a.csv", f"label;t0;t1\n{rows}"), section)


def test_a_wide_table_has_a_series_a_row(tmp_path: Path) -> None:
    section = SeriesData(table="all.csv", label_column="class", split_column="part")
    path = write(tmp_path / "all.csv", "class,part,v0,v1,v2\n10,train,1,,3\n9,test,4,5,\n10,val,7,8,9\n")
    listing = list_table(path, section)
    assert listing.classes == ("9", "10"), "numbers by value"
    assert [(item.label, item.part) for item in listing.items] == [(1, "train"), (0, "test"), (1, "val")]
    signals = [signal.values_CT for signal in read_all(path, section)]
    for signal, expected in zip(signals, ([[1, np.nan, 3]], [[4, 5]], [[7, 8, 9]]), strict=True):
        np.testing.assert_array_equal(signal, expected)


def test_a_long_table_has_a_moment_a_row(tmp_path: Path) -> None:
    section = SeriesData(table="all.csv", id_column="run", label_column="state")
    path = write(tmp_path / "all.csv", "run,time,x,y,state\nb,0,1,2,ok\na,0,5,6,bad\nb,1,3,4,ok\na,2,7,8,bad\n")
    listing = list_table(path, section)
    assert [(item.id, listing.classes[item.label]) for item in listing.items] == [("b", "ok"), ("a", "bad")]
    first, second = read_all(path, section)
    np.testing.assert_array_equal(first.values_CT, [[1, 3], [2, 4]])
    assert (first.rate_hz, second.rate_hz) == (1.0, 0.5)
    write(path, "run,x,state\nb,1,ok\nb,2,bad\n")
    with refused("all.csv", "ok", "bad", "row 3"):
        list_table(path, section)
    write(path, "run,x,state\nb,1,\n")
    with refused("all.csv row 2", "state"):
        list_table(path, section)
    with refused("all.csv", "label", "data.label_column"):
        list_table(path, SeriesData(table="all.csv"))


@pytest.mark.parametrize(
    ("shape", "settings", "expected"),
    [
        ((9,), {}, (1, 9)),
        ((2, 9), {}, (2, 9)),
        ((9, 2), {}, (2, 9)),
        ((5, 4), {"channels": 4}, (4, 5)),
        ((5, 4), {"axes": "channel,time"}, (5, 4)),
        ((5, 4), {}, None),
        ((4, 4), {"channels": 4}, None),
        ((2, 3, 4), {}, None),
    ],
)
def test_which_axis_is_time(
    tmp_path: Path, shape: tuple[int, ...], settings: dict[str, Any], expected: tuple[int, int] | None
) -> None:
    np.save(tmp_path / "a.npy", np.arange(np.prod(shape)).reshape(shape))
    if expected is None:
        with pytest.raises(DamageError, match=r"shape|axes"):
            read_signal(tmp_path / "a.npy", SeriesData(**settings))
    else:
        assert read_signal(tmp_path / "a.npy", SeriesData(**settings)).values_CT.shape == expected


def test_arrays_of_objects_and_several_arrays_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{"x": 1}], object), allow_pickle=True)
    np.savez(tmp_path / "b.npz", one=np.zeros(4), two=np.ones(4))
    np.savez(tmp_path / "c.npz", one=np.array([{"x": 1}], object))
    (tmp_path / "d.npz").write_bytes(b"PK no archive")
    for name in ("a.npy", "b.npz", "c.npz", "d.npz"):
        with pytest.raises(DamageError):
            read_signal(tmp_path / name, SECTION)
    assert read_signal(tmp_path / "b.npz", SeriesData(array="two")).values_CT.tolist() == [[1, 1, 1, 1]]


def test_an_npz_holds_a_whole_set(tmp_path: Path) -> None:
    series = np.random.default_rng(0).normal(size=(4, 2, 9))
    section = SeriesData(table="set.npz")
    np.savez(tmp_path / "set.npz", X_train=series[:3], y_train=["b", "a", "b"], X_test=series[3:], y_test=["a"])
    listing = list_table(tmp_path / "set.npz", section)
    assert [(item.label, item.part) for item in listing.items] == [
        (1, "train"),
        (0, "train"),
        (1, "train"),
        (0, "test"),
    ]
    np.testing.assert_array_equal([signal.values_CT for signal in read_all(tmp_path / "set.npz", section)], series)
    for arrays in ({"X": series}, {"X": series, "y": np.zeros(4)}, {"X": series, "y": ["a"]}, {"Z": series}):
        np.savez(tmp_path / "set.npz", **arrays)
        with refused("set.npz"):
            list_table(tmp_path / "set.npz", section)


def test_parquet_is_read_by_pyarrow_or_refused_with_the_extra(tmp_path: Path) -> None:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        (tmp_path / "a.parquet").write_bytes(b"PAR1")
        with refused("a.parquet", "pyarrow", "crosspath[series]"):
            read_signal(tmp_path / "a.parquet", SECTION)
        return
    table = pa.table({"time": [0.0, 0.25], "x": [1.0, None], "y": [3, 4]})
    parquet.write_table(table, tmp_path / "a.parquet")
    signal = read_signal(tmp_path / "a.parquet", SECTION)
    np.testing.assert_array_equal(signal.values_CT, [[1, np.nan], [3, 4]])
    assert signal.rate_hz == 4.0
    (tmp_path / "b.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:-9])
    with pytest.raises(DamageError):
        read_signal(tmp_path / "b.parquet", SECTION)


def test_a_series_without_an_id_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "id,label,x\nu,a,1\n,b,3\n")
    with refused("a.csv", "row 3", "id", "none"):
        list_table(tmp_path / "a.csv", SeriesData(table="a.csv", id_column="id"))


def test_cells_of_parquet_are_what_they_stand_for(tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "a.parquet"

    def table(**columns: Any) -> Path:
        parquet.write_table(arrow.table(columns), path)
        return path

    values, dates = arrow.array([1.0, 2.0, 3.0]), np.datetime64("2024-01-01") + np.arange(3) * np.timedelta64(20, "ms")
    for unit in ("ms", "us", "ns"):
        times = arrow.array(dates.astype(f"datetime64[{unit}]"))
        signal = read_signal(table(time=times, x=values, __index_level_0__=values), SECTION)
        assert signal.rate_hz == pytest.approx(50.0)
        assert signal.values_CT.tolist() == [[1, 2, 3]]
    section = SeriesData(table=path.name)
    for cells in (arrow.array(dates), arrow.array([[1.0], [2.0], [3.0]])):
        with pytest.raises(DamageError, match=r"row 1: .*`other`"):
            read_signal(table(other=cells, x=values), SECTION)
    for labels in (arrow.array(["a", None, "b"]), arrow.array([1, None, 2])):
        with refused("a.parquet row 2", "label", "none"):
            list_table(table(label=labels, x=values, y=values), section)
        with refused("a.parquet", "row 2", "id", "none"):
            list_table(table(id=labels, label=values, x=values), section.model_copy(update={"id_column": "id"}))
    assert list_table(table(label=arrow.array([b"a", b"b", b"a"]), x=values), section).classes == ("a", "b")


def test_records_of_medicine_are_read_by_their_libraries_or_refused_with_the_extra(tmp_path: Path) -> None:
    rate, signals = 50, np.random.default_rng(0).normal(size=(2, 100)).round(3)
    try:
        import pyedflib
        import wfdb
    except ImportError:
        for name, library in (("a.hea", "wfdb"), ("a.edf", "pyedflib")):
            (tmp_path / name).write_bytes(b"nothing")
            with refused(name, library, "crosspath[series]"):
                read_signal(tmp_path / name, SECTION)
        return
    wfdb.wrsamp(
        "a",
        fs=rate,
        units=["mV"] * 2,
        sig_name=["I", "II"],
        p_signal=signals.T,
        fmt=["16"] * 2,
        write_dir=str(tmp_path),
    )
    with pyedflib.EdfWriter(str(tmp_path / "b.edf"), 2) as file:
        header = {"dimension": "mV", "sample_frequency": rate, "physical_min": -8.0, "physical_max": 8.0}
        digital = {"digital_min": -32768, "digital_max": 32767, "transducer": "", "prefilter": ""}
        file.setSignalHeaders([{"label": name, **header, **digital} for name in ("I", "II")])
        file.writeSamples(list(signals))
    for name in ("a.hea", "b.edf"):
        signal = read_signal(tmp_path / name, SECTION)
        np.testing.assert_allclose(signal.values_CT, signals, atol=1e-3)
        assert (signal.rate_hz, signal.names) == (rate, ("I", "II"))
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:20])
        with pytest.raises(DamageError):
            read_signal(tmp_path / name, SECTION)
    (tmp_path / "c.hea").write_text("c 1 50 100\n../../secret.dat 16 200 16 0 0 0 0 I\n")
    with pytest.raises(DamageError, match="cannot be read"):
        read_signal(tmp_path / "c.hea", SECTION)


def test_a_column_of_times_is_the_one_that_has_the_name(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "Time,time,x\n9,0.0,1\n9,0.5,2\n9,1.0,3\n")
    section = SECTION.model_copy(update={"time_column": "time", "columns": ("x",)})
    assert read_signal(path, section).rate_hz == 2.0


def test_what_a_table_of_all_series_leaves_unread_is_refused_or_noted(tmp_path: Path) -> None:
    path = write(tmp_path / "all.csv", "label,t0,t1\na,1,2\nb,3,4\n")
    section = SeriesData(table="all.csv", file_column="name", array="X", axes="time,channel")
    notes = list_table(path, section).notes
    assert [note.partition(" ")[0] for note in notes] == [
        "data.file_column=name",
        "data.array=X",
        "data.axes=time,channel",
    ]
    for reads in (SeriesReader(section).listing, lambda _: read_all(path, section)):
        assert reads(tmp_path)
    with refused("data.csv", "list.csv", "data.table"):
        SeriesReader(section.model_copy(update={"csv": "list.csv"})).listing(tmp_path)
