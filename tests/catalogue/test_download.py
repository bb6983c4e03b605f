"""Downloads against a server on this machine that drops connections, ignores ranges, and sends what it should not."""

import hashlib
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crosspath.catalogue.download import ATTEMPTS, DownloadedFile, download
from crosspath.errors import InputError
from tests.data.server import Served, serving
from tests.errors import refused

CONTENT = np.random.default_rng(0).integers(0, 256, 3_000_000, np.uint8).tobytes()
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def served() -> Iterator[Served]:
    with serving(Served(CONTENT)) as server:
        yield server


def fetched(served: Served, target: Path, **options: Any) -> DownloadedFile:
    return download(served.address, target, wait=lambda seconds: None, **options)


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_arrives_whole_and_its_checksum_is_recorded(served: Served, tmp_path: Path) -> None:
    target = tmp_path / "a.bin"
    reports: list[tuple[int, int | None]] = []
    actual = fetched(served, target, progress=lambda done, total: reports.append((done, total)))
    assert target.read_bytes() == CONTENT
    assert actual == DownloadedFile(target, len(CONTENT), SHA256, False)
    assert left(tmp_path) == ["a.bin"]
    assert reports[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in reports] == sorted({done for done, _ in reports})


def test_a_known_checksum_is_verified(served: Served, tmp_path: Path) -> None:
    assert fetched(served, tmp_path / "a.bin", sha256=SHA256, size=len(CONTENT)).verified


def test_a_finished_file_is_checked_and_not_fetched_again(served: Served, tmp_path: Path) -> None:
    first = fetched(served, tmp_path / "a.bin")
    assert fetched(served, tmp_path / "a.bin", sha256=SHA256) == DownloadedFile(first.path, first.size, SHA256, True)
    assert len(served.requests) == 1


def test_a_dropped_connection_resumes(served: Served, tmp_path: Path) -> None:
    served.plan = ["drop", "drop", "drop"]
    notices: list[str] = []
    fetched(served, tmp_path / "a.bin", sha256=SHA256, notice=notices.append)
    starts = [request.get("Range") for request in served.requests]
    assert starts == [None, "bytes=1500000-", "bytes=2250000-", "bytes=2625000-"]
    assert all(request["If-Range"] == '"one"' for request in served.requests[1:])
    assert len(notices) == 3
    assert all("1 s" in notice for notice in notices)


def test_an_interrupted_process_resumes(served: Served, tmp_path: Path) -> None:
    def interrupt(done: int, total: int | None) -> None:
        if done > 1_000_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetched(served, tmp_path / "a.bin", progress=interrupt)
    had = (tmp_path / "a.bin.part").stat().st_size
    assert had > 1_000_000
    fetched(served, tmp_path / "a.bin", sha256=SHA256)
    assert served.requests[1]["Range"] == f"bytes={had}-"
    assert left(tmp_path) == ["a.bin"]


def test_a_server_that_ignores_ranges_is_read_from_the_start(served: Served, tmp_path: Path) -> None:
    served.plan = ["drop", "ignore"]
    fetched(served, tmp_path / "a.bin", sha256=SHA256)
    assert "Range" in served.requests[1]


@pytest.mark.parametrize("how", ["well", "swap"])
def test_a_file_that_changed_meanwhile_is_read_from_the_start(served: Served, tmp_path: Path, how: str) -> None:
    served.plan = ["drop", how]
    new = bytes(reversed(CONTENT))

    def change(number: int) -> None:
        if number == 1:
            served.content, served.etag = new, '"two"'

    served.before = change
    fetched(served, tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == new


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_without_a_mark_of_the_version_nothing_is_joined(served: Served, tmp_path: Path, etag: str | None) -> None:
    served.etag, served.plan = etag, ["drop"]
    fetched(served, tmp_path / "a.bin", sha256=SHA256)
    assert "Range" not in served.requests[1]


def test_a_part_of_another_address_is_not_used(served: Served, tmp_path: Path) -> None:
    served.plan = ["drop", "404"]
    with pytest.raises(InputError):
        fetched(served, tmp_path / "a.bin")
    served.address += "?other"
    fetched(served, tmp_path / "a.bin", sha256=SHA256)
    assert "Range" not in served.requests[2]


def test_a_part_that_starts_elsewhere_is_thrown_away(served: Served, tmp_path: Path) -> None:
    served.plan = ["drop", "shifted"]
    fetched(served, tmp_path / "a.bin", sha256=SHA256)
    assert "Range" not in served.requests[2]


def test_a_part_that_is_already_whole_is_finished(served: Served, tmp_path: Path) -> None:
    served.plan = ["drop", "404"]
    with pytest.raises(InputError):
        fetched(served, tmp_path / "a.bin")
    (tmp_path / "a.bin.part").write_bytes(CONTENT)
    fetched(served, tmp_path / "a.bin", sha256=SHA256)
    assert served.requests[-1]["Range"] == f"bytes={len(CONTENT)}-"


def test_a_part_longer_than_the_file_is_thrown_away(served: Served, tmp_path: Path) -> None:
    served.plan = ["drop", "404"]
    with pytest.raises(InputError):
        fetched(served, tmp_path / "a.bin")
    (tmp_path / "a.bin.part").write_bytes(CONTENT + b"more")
    fetched(served, tmp_path / "a.bin", sha256=SHA256)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_an_answer_without_a_length_is_read_to_its_end(served: Served, tmp_path: Path) -> None:
    served.plan = ["chunked-drop", "chunked"]
    assert fetched(served, tmp_path / "a.bin").sha256 == SHA256
    assert len(served.requests) == 2


def test_wrong_bytes_are_removed_and_reported_and_the_next_try_is_clean(served: Served, tmp_path: Path) -> None:
    served.content = bytes(len(CONTENT))
    with refused("archive.bin", "sha256") as caught:
        fetched(served, tmp_path / "a.bin", sha256=SHA256, size=len(CONTENT))
    assert hashlib.sha256(served.content).hexdigest() in caught.value.found
    assert left(tmp_path) == []
    served.content = CONTENT
    assert fetched(served, tmp_path / "a.bin", sha256=SHA256).verified


def test_a_finished_file_with_wrong_bytes_is_removed(served: Served, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"of another day")
    with refused("archive.bin"):
        fetched(served, tmp_path / "a.bin", sha256=SHA256)
    assert left(tmp_path) == []


def test_another_length_is_refused_before_anything_is_fetched(served: Served, tmp_path: Path) -> None:
    with refused("archive.bin", "3,000,000"):
        fetched(served, tmp_path / "a.bin", size=12)
    assert left(tmp_path) == []


def test_another_length_of_an_answer_that_names_none_is_refused_after(served: Served, tmp_path: Path) -> None:
    served.plan = ["chunked"]
    with refused("archive.bin", "3,000,000"):
        fetched(served, tmp_path / "a.bin", size=12)
    assert left(tmp_path) == []


@pytest.mark.parametrize("code", ["404", "403", "410"])
def test_a_wrong_address_is_reported_at_once(served: Served, tmp_path: Path, code: str) -> None:
    served.plan = [code] * 9
    with pytest.raises(InputError, match=rf"expected a file at this address, found {code} "):
        fetched(served, tmp_path / "a.bin")
    assert len(served.requests) == 1


@pytest.mark.parametrize("code", ["429", "500", "503"])
def test_a_busy_server_is_asked_again(served: Served, tmp_path: Path, code: str) -> None:
    served.plan = [code, code]
    assert fetched(served, tmp_path / "a.bin", sha256=SHA256).verified


def test_waits_grow_and_end(served: Served, tmp_path: Path) -> None:
    served.plan = ["503"] * 99
    waits: list[float] = []
    with refused("archive.bin", "503"):
        download(served.address, tmp_path / "a.bin", wait=waits.append)
    assert waits == [1, 2, 4, 8]
    assert len(served.requests) == ATTEMPTS


def test_a_server_that_always_starts_over_and_drops_is_given_up(served: Served, tmp_path: Path) -> None:
    served.etag, served.plan = None, ["drop"] * 99
    with refused("archive.bin", "1,500,000"):
        fetched(served, tmp_path / "a.bin")
    assert len(served.requests) == ATTEMPTS


def test_as_long_as_something_new_arrives_tries_do_not_run_out(served: Served, tmp_path: Path) -> None:
    served.plan = ["drop"] * (3 * ATTEMPTS)
    assert fetched(served, tmp_path / "a.bin", sha256=SHA256).verified
    assert len(served.requests) == 3 * ATTEMPTS + 1


def test_no_connection_is_one_line(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/a"
        with refused("a", "refused") as caught:
            download(address, tmp_path / "a.bin", wait=lambda seconds: None)
    assert "\n" not in str(caught.value)


def test_a_full_disk_is_reported_before(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with refused("", "3,000,000", "1,000"):
        fetched(served, tmp_path / "a.bin")
    assert left(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_reported(served: Served, tmp_path: Path) -> None:
    (tmp_path / "a.bin.part").mkdir()
    with refused("", "folder"):
        fetched(served, tmp_path / "a.bin")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plan=st.lists(st.sampled_from(["drop", "ignore", "chunked-drop", "503", "shifted", "swap", "well"]), max_size=4))
def test_whatever_happens_the_bytes_are_right(served: Served, tmp_path: Path, plan: list[str]) -> None:
    served.content, served.plan = CONTENT[:5000], list(plan)
    served.requests.clear()
    (tmp_path / "a.bin").unlink(missing_ok=True)
    fetched(served, tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT[:5000]
