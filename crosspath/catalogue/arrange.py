"""Arranges an unpacked archive as the folder that the set's reader expects: one function for each set."""

import csv
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crosspath.data.folders import is_hidden
from crosspath.data.items import DamageError
from crosspath.data.table_rows import read_table
from crosspath.errors import InputError
from crosspath.files import sha256_of_file

Progress = Callable[[int, int | None], None]
"""Called with (samples done, samples in total)."""

PIXELS = 32 * 32 * 3
CIFAR_RECORDS = 10_000
"""Images in each of the six files: a byte with the class, then the planes red, green and blue."""
RECORDING = re.compile(r"(\d)_([a-z]+)_(\d+)\.wav")
"""File names of spoken digits: digit, speaker, number of the recording."""
TEST_RECORDINGS = 5
"""Recordings of each digit and speaker numbered below this are the official test part."""
DOWNLOAD_AGAIN = "the publisher has changed the archive, or it is damaged: download it again"
BANKING_SHA256 = {
    "train.csv": "b06e26ac675513959a63135f11b94ea7786ed02da65db93a5650d8838cbc664b",
    "test.csv": "d12d6e3bc4c3103966ae786dc435913c0c563dfa328f5a3646d0e62cfeeb474d",
}
MESH_POINTS = 2048
"""Points drawn from each mesh, as in the published h5 files of ModelNet40."""


def arrange(name: str, source: Path, target: Path, progress: Progress) -> None:
    """Fill the new folder `target` with files moved from `source`, the content of the set's archives.

    Raises
    ------
    InputError
        For files that are missing or differ in size or format from the publisher's.
    """
    ARRANGEMENTS.get(name, _move_all)(source, target, progress)


def cifar10(source: Path, target: Path, progress: Progress) -> None:
    """The binary version, which has no pickles, as `train.zip` and `test.zip` of class folders of PNG files."""
    from PIL import Image

    root = _only_folder(source)
    classes = _require(root / "batches.meta.txt").read_text(encoding="utf-8").split()
    count = 0
    for part, files in (
        ("train", [f"data_batch_{number}.bin" for number in range(1, 6)]),
        ("test", ["test_batch.bin"]),
    ):
        counts = [0] * len(classes)
        with zipfile.ZipFile(target / f"{part}.zip", "w") as archive:
            for file in files:
                for label, pixels in _cifar_records(root / file, len(classes)):
                    content = BytesIO()
                    Image.fromarray(pixels).save(content, "PNG")
                    # A new ZipInfo has a fixed date, so the archive depends on the images only.
                    member = zipfile.ZipInfo(f"{part}/{classes[label]}/{counts[label]:04d}.png")
                    archive.writestr(member, content.getvalue())
                    counts[label] += 1
                    count += 1
                    progress(count, 6 * CIFAR_RECORDS)


def esc10(source: Path, target: Path, progress: Progress) -> None:
    """The recordings that ESC-50's table marks as ESC-10, and the licence with their authors."""
    root = _only_folder(source)
    columns = ("filename", "fold", "target", "category", "esc10", "src_file", "take")
    rows = [row for _, row in read_table(root / "meta" / "esc50.csv", columns) if row["esc10"] == "True"]
    (target / "audio").mkdir()
    for count, row in enumerate(rows, 1):
        _move(root / "audio" / row["filename"], target / "audio")
        progress(count, len(rows))
    _move(root / "LICENSE", target)
    (target / "meta").mkdir()
    _write_table(target / "meta" / "esc50.csv", columns, (row.values() for row in rows))


def esc50(source: Path, target: Path, progress: Progress) -> None:
    """The table, the recordings, and the licence with their authors, without the repository's code."""
    root = _only_folder(source)
    for name in ("meta", "audio", "LICENSE"):
        _move(root / name, target)


def fsdd(source: Path, target: Path, progress: Progress) -> None:
    """The recordings, and a table of the fields of their names and the official split."""
    root = _only_folder(source)
    _move(root / "recordings", target)
    rows = []
    for path in sorted((target / "recordings").glob("*.wav")):
        fields = RECORDING.fullmatch(path.name)
        if fields is None:
            raise InputError(path.name, "<digit>_<speaker>_<number>.wav", "another name", DOWNLOAD_AGAIN)
        part = "test" if int(fields[3]) < TEST_RECORDINGS else "train"
        rows.append((path.name, *fields.groups(), part))
    _write_table(target / "metadata.csv", ("filename", "digit", "speaker", "index", "split"), rows)


def speechcommands(source: Path, target: Path, progress: Progress) -> None:
    """Unchanged; this archive has no folder around its files."""
    for path in sorted(source.iterdir()):
        _move(path, target)


def modelnet10(source: Path, target: Path, progress: Progress) -> None:
    """Meshes as h5 files of points drawn evenly from the surface, centred and scaled into the unit sphere."""
    import h5py

    from crosspath.config.data import PointData
    from crosspath.data.readers.points import PointReader

    root = _only_folder(source)
    classes = sorted(path.name for path in root.iterdir() if path.is_dir())
    meshes = {
        part: [
            (label, path) for label, name in enumerate(classes) for path in sorted((root / name / part).glob("*.off"))
        ]
        for part in ("train", "test")
    }
    reader = PointReader(PointData(points=MESH_POINTS))
    count, total = 0, sum(map(len, meshes.values()))
    for part, files in meshes.items():
        with h5py.File(target / f"ply_data_{part}0.h5", "w") as file:
            file["label"] = np.array([[label] for label, _ in files], np.uint8)
            clouds = file.create_dataset("data", (len(files), MESH_POINTS, 3), np.float32)
            for row, (_, path) in enumerate(files):
                try:
                    clouds[row] = reader.decode_file(path)
                except DamageError as damage:
                    raise InputError(path.name, "a readable mesh", str(damage), DOWNLOAD_AGAIN) from None
                count += 1
                progress(count, total)
        (target / f"{part}_files.txt").write_text(f"ply_data_{part}0.h5\n", encoding="utf-8")
    (target / "shape_names.txt").write_text("".join(f"{name}\n" for name in classes), encoding="utf-8")


def ucf101(source: Path, target: Path, progress: Progress) -> None:
    """The clips, with the lists of the first official split and the class names."""
    lists = _require(source / "ucfTrainTestlist")
    _move(source / "UCF-101", target)
    (target / "UCF-101").rename(target / "videos")
    names = [line.split()[1] for line in _lines(lists / "classInd.txt")]
    (target / "labels.txt").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    for name, split in (("train.csv", "trainlist01.txt"), ("val.csv", "testlist01.txt")):
        files = [line.split()[0] for line in _lines(lists / split)]
        rows = [f"videos/{file} {names.index(file.partition('/')[0])}\n" for file in files]
        (target / name).write_text("".join(rows), encoding="utf-8")


def _move_all(source: Path, target: Path, progress: Progress) -> None:
    """The archive's folder, which has the reader's layout already."""
    root = _only_folder(source)
    for path in sorted(root.iterdir()):
        _move(path, target)


def banking77(source: Path, target: Path, progress: Progress) -> None:
    """The two tables of one folder of the repository, which has other sets beside it. They must be those of 2020, whose
    split results are reported on.
    """
    for number, (name, sha256) in enumerate(BANKING_SHA256.items(), 1):
        path = _require(_only_folder(source) / "banking_data" / name)
        digest = sha256_of_file(path)
        if digest != sha256:
            raise InputError(name, f"sha256 {sha256}", digest, DOWNLOAD_AGAIN)
        _move(path, target)
        progress(number, len(BANKING_SHA256))


ARRANGEMENTS: dict[str, Callable[[Path, Path, Progress], None]] = {
    "cifar10": cifar10,
    "esc10": esc10,
    "esc50": esc50,
    "fsdd": fsdd,
    "speechcommands": speechcommands,
    "modelnet10": modelnet10,
    "ucf101": ucf101,
    "banking77": banking77,
}


def _cifar_records(path: Path, classes: int) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """(class number, pixels (H, W, 3)) of each record."""
    records = np.frombuffer(_require(path).read_bytes(), np.uint8)
    if records.size != CIFAR_RECORDS * (1 + PIXELS) or records[:: 1 + PIXELS].max() >= classes:
        expected = f"{CIFAR_RECORDS:,} records of {1 + PIXELS:,} bytes, labels below {classes}"
        raise InputError(path.name, expected, f"{records.size:,} bytes", DOWNLOAD_AGAIN)
    for record in records.reshape(CIFAR_RECORDS, 1 + PIXELS):
        yield int(record[0]), record[1:].reshape(3, 32, 32).transpose(1, 2, 0)


def _only_folder(source: Path) -> Path:
    """The only folder of an archive, apart from hidden ones."""
    folders = [path for path in source.iterdir() if path.is_dir() and not is_hidden([path.name])]
    if len(folders) != 1:
        raise InputError("the archive", "one folder", f"{len(folders)}", DOWNLOAD_AGAIN)
    return folders[0]


def _lines(path: Path) -> list[str]:
    return [line for line in _require(path).read_text(encoding="utf-8").splitlines() if line.strip()]


def _require(path: Path) -> Path:
    if not path.exists():
        raise InputError("the archive", path.name, "none", DOWNLOAD_AGAIN)
    return path


def _move(path: Path, target: Path) -> None:
    _require(path).rename(target / path.name)


def _write_table(path: Path, columns: Sequence[str], rows: Iterable[Iterable[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
