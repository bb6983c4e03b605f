"""A whole set from a server on this machine: in place in one step or not at all, and taken up after a failure."""

import hashlib
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from filelock import FileLock

from crosspath.catalogue.get import RECORD, WORK, get
from crosspath.catalogue.published_set import PublishedSet
from crosspath.catalogue.sets import PUBLISHED_SETS
from tests.data.server import Served, serving
from tests.errors import refused


def archive(files: dict[str, bytes]) -> bytes:
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as opened:
        for name, content in files.items():
            opened.writestr(name, content)
    return packed.getvalue()


FILES = {f"fsdd-26eb/recordings/{digit}_ann_{number}.wav": b"x" * 999 for digit in range(10) for number in (0, 7)}
CONTENT = archive(FILES)


@pytest.fixture
def served() -> Iterator[Served]:
    with serving(Served(CONTENT)) as server:
        yield server


def entry_at(served: Served, sha256: str | None = None) -> PublishedSet:
    """The spoken digits, published by the server of this test."""
    fsdd = PUBLISHED_SETS["fsdd"]
    return replace(fsdd, archives=(replace(fsdd.archives[0], address=served.address, sha256=sha256),))


class Messages:
    """The progress and notices of `get`."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.notices: list[str] = []

    def progress(self, what: str, done: int, total: int | None) -> None:
        if what not in self.stages:
            self.stages.append(what)


def test_a_set_is_downloaded_unpacked_arranged_and_recorded(served: Served, tmp_path: Path) -> None:
    messages = Messages()
    record = get(entry_at(served), tmp_path / "data", messages.progress, messages.notices.append)
    folder = tmp_path / "data" / "fsdd"
    assert sorted(path.name for path in folder.iterdir()) == [RECORD, "metadata.csv", "recordings"]
    assert len((folder / "metadata.csv").read_text().splitlines()) == 21
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    assert record["archives"] == [
        {"address": served.address, "size": len(CONTENT), "sha256": sha256, "verified": False}
    ]
    assert json.loads((folder / RECORD).read_text()) == record
    assert record["licence"] == "CC BY-SA 4.0"
    assert messages.stages[0] == "downloading free-spoken-digit-dataset.zip"
    assert not (tmp_path / "data" / WORK / "fsdd").exists()


def test_a_set_that_is_there_is_left_alone_and_its_record_told_again(served: Served, tmp_path: Path) -> None:
    messages = Messages()
    first = get(entry_at(served), tmp_path, messages.progress, messages.notices.append)
    assert get(entry_at(served), tmp_path, messages.progress, messages.notices.append) == first
    assert len(served.requests) == 1


def test_an_incomplete_folder_in_the_way_is_named(served: Served, tmp_path: Path) -> None:
    messages = Messages()
    get(entry_at(served), tmp_path, messages.progress, messages.notices.append)
    (tmp_path / "fsdd" / "metadata.csv").unlink()
    with refused("fsdd", "metadata.csv"):
        get(entry_at(served), tmp_path, messages.progress, messages.notices.append)


def test_wrong_bytes_leave_no_folder_and_the_next_try_succeeds(served: Served, tmp_path: Path) -> None:
    messages = Messages()
    entry = entry_at(served, hashlib.sha256(CONTENT).hexdigest())
    served.content = archive({"fsdd/recordings/0_bad_0.wav": b""})
    with refused("archive.bin", "sha256"):
        get(entry, tmp_path, messages.progress, messages.notices.append)
    assert not (tmp_path / "fsdd").exists()
    served.content = CONTENT
    assert get(entry, tmp_path, messages.progress, messages.notices.append)["archives"][0]["verified"]


def test_a_failure_after_the_download_keeps_it(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    messages, work = Messages(), tmp_path / WORK / "fsdd"

    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("crosspath.catalogue.get.arrange", interrupt)
        with pytest.raises(KeyboardInterrupt):
            get(entry_at(served), tmp_path, messages.progress, messages.notices.append)
    assert not (tmp_path / "fsdd").exists()
    assert sorted(path.name for path in work.iterdir() if path.name != "lock") == ["free-spoken-digit-dataset.zip"]
    (work / "arranged").mkdir()  # left by a process that was killed
    (work / "arranged" / "stale").touch()
    get(entry_at(served), tmp_path, messages.progress, messages.notices.append)
    assert len(served.requests) == 1
    assert not (tmp_path / "fsdd" / "stale").exists()


def test_an_archive_that_lacks_a_piece_leaves_no_folder(served: Served, tmp_path: Path) -> None:
    served.content = archive({"fsdd/recordings/": b""})
    with refused("fsdd", "found none", "recordings/*.wav"):
        get(entry_at(served), tmp_path, Messages().progress, print)
    assert not (tmp_path / "fsdd").exists()


def test_two_at_once_are_refused(served: Served, tmp_path: Path) -> None:
    (tmp_path / WORK / "fsdd").mkdir(parents=True)
    with (
        FileLock(tmp_path / WORK / "fsdd" / "lock"),
        refused("fsdd"),
    ):
        get(entry_at(served), tmp_path, Messages().progress, print)
    assert served.requests == []


def test_a_root_that_cannot_be_made_is_named(served: Served, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with refused("file", "folder"):
        get(entry_at(served), tmp_path / "file", Messages().progress, print)


def test_a_set_without_address_points_to_its_steps(tmp_path: Path) -> None:
    with refused("imagenet", "crosspath data show imagenet"):
        get(PUBLISHED_SETS["imagenet"], tmp_path, Messages().progress, print)
