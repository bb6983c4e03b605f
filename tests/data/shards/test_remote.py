"""Files at addresses: parts are asked for again, and a network that stays away is never a damaged file."""

import importlib.util
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO

import fsspec
import numpy as np
import pytest

from crosspath.config.augment import ImageAugment
from crosspath.config.data import ImageData
from crosspath.data.items import DamageError
from crosspath.data.shards import remote
from crosspath.data.shards.remote import beside, is_address, name_of, read_complete, read_part, read_through, stamp_of
from crosspath.data.streaming.samples import StreamedSamples, training_batches
from crosspath.errors import InputError
from crosspath.modalities.load import load_data
from tests.data.published_shards import write_shards
from tests.errors import refused

over_http = pytest.mark.skipif(importlib.util.find_spec("aiohttp") is None, reason="fsspec needs aiohttp for http")


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "WAITS_S", (0.0, 0.0, 0.0))


@pytest.fixture
def kept() -> Iterator[Any]:
    """A store at `memory://` with one file."""
    store = fsspec.filesystem("memory")
    store.store.clear()
    store.pipe_file("/bucket/a.tar", bytes(range(100)))
    yield store
    store.store.clear()


def test_what_is_an_address_and_what_lies_beside_it() -> None:
    assert is_address("https://host/a.tar")
    assert not is_address("train/a.tar")
    assert not is_address("/data/train/a.tar")
    assert name_of("https://host:80/set/train/a.tar?sig=xyz") == "set/train/a.tar"
    assert beside("https://host/set/a.tar?sig=xyz", "classes.txt") == "https://host/set/classes.txt?sig=xyz"


def test_parts_and_wholes(kept: Any) -> None:
    assert read_part("memory://bucket/a.tar", 10, 13) == bytes([10, 11, 12])
    assert read_part("memory://bucket/a.tar", 10, 10) == b""
    assert read_complete("memory://bucket/a.tar") == bytes(range(100))
    assert read_complete("memory://bucket/none.txt") is None
    assert read_through("memory://bucket/a.tar", lambda file: (file.seek(7), file.read(2))) == (7, bytes([7, 8]))
    with refused("memory://bucket/none.tar", "found none"):
        stamp_of("memory://bucket/none.tar")


def test_a_stamp_changes_with_the_file_and_starts_with_its_size(kept: Any) -> None:
    first = stamp_of("memory://bucket/a.tar")
    assert first.split("-")[0] == "100"
    assert stamp_of("memory://bucket/a.tar") == first
    kept.pipe_file("/bucket/a.tar", bytes(100))
    assert stamp_of("memory://bucket/a.tar") != first


@pytest.mark.parametrize("error", [ConnectionResetError("reset"), TimeoutError(), RuntimeError("session is closed")])
def test_a_broken_connection_is_tried_again(kept: Any, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    store, asked = type(kept), []
    original = store.cat_file

    def breaking(self: Any, *arguments: Any, **options: Any) -> Any:
        asked.append(1)
        if len(asked) % 4:
            raise error
        return original(self, *arguments, **options)

    monkeypatch.setattr(store, "cat_file", breaking)
    assert read_part("memory://bucket/a.tar", 0, 2) == bytes([0, 1])
    assert len(asked) == 4
    monkeypatch.setattr(remote, "WAITS_S", (0.0, 0.0))
    with pytest.raises(InputError, match=rf"a\.tar: expected an answer, found {type(error).__name__}.*--resume"):
        read_part("memory://bucket/a.tar", 0, 2)


def test_what_a_reader_says_of_a_file_is_passed_on_at_once(kept: Any) -> None:
    read: list[int] = []

    def refuse(file: BinaryIO) -> None:
        read.append(1)
        raise DamageError("half a tar")

    with pytest.raises(DamageError, match="half a tar"):
        read_through("memory://bucket/a.tar", refuse)
    assert read == [1]


def test_a_part_beyond_the_end_is_no_part(kept: Any) -> None:
    with refused("memory://bucket/a.tar", "EOFError", 2, 10):
        read_part("memory://bucket/a.tar", 98, 108)


@pytest.mark.skipif(importlib.util.find_spec("aiohttp") is not None, reason="aiohttp is there")
def test_a_missing_package_is_named() -> None:
    with pytest.raises(InputError, match=r"https://host/a\.tar: .*aiohttp.*; install what is missing"):
        stamp_of("https://host/a.tar")


@contextmanager
def served(folder: Path, plan: list[str], asked: list[str]) -> Iterator[str]:
    """The address of a server of `folder`; `plan` holds one fault a GET: a status, or `whole` for no ranges."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: object) -> None:
            """Nothing."""

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            path = folder / self.path.lstrip("/")
            how = ""
            if self.command == "GET":
                asked.append(f"{path.name} {self.headers.get('Range', '')}".strip())
                how = plan.pop(0) if plan else ""
            if how.isdecimal() or not path.is_file():
                self.send_response(int(how or 404))
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            content, total = path.read_bytes(), path.stat().st_size
            expected = self.headers.get("Range") if how != "whole" else None
            self.send_response(206 if expected else 200)
            if expected:
                start, _, last = expected.removeprefix("bytes=").partition("-")
                stop = min(int(last) + 1 if last else total, total)
                content = content[int(start) : stop]
                self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{total}")
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("ETag", f'"{total}"')
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@over_http
def test_shards_of_a_server_read_as_local_ones_in_this_process_and_in_workers(tmp_path: Path) -> None:
    folder = tmp_path / "served"
    write_shards(folder, "image")
    own = ImageData(
        image_size=8, dataset="shards", train_shards="train-{000..001}.tar", cache_folder=tmp_path / "cache"
    )
    here = load_data(own.model_copy(update={"folder": folder}), None, 0)
    asked: list[str] = []
    with served(folder, ["503", "", "500"], asked) as address:
        names = {"train_shards": f"{address}/train-{{000..001}}.tar", "stream": True}
        there = load_data(own.model_copy(update=names), None, 0)
        np.testing.assert_array_equal(there.train.inputs[:], here.train.inputs[:])
        np.testing.assert_array_equal(there.test.labels, here.test.labels)
        assert isinstance(there.train.inputs, StreamedSamples)
        batches = [np.arange(4), np.arange(4, 8)]
        results = [
            [actual.inputs for actual in training_batches(there.train.inputs, ImageAugment(), batches, 0, 0, workers)]
            for workers in (0, 2)
        ]
        np.testing.assert_array_equal(results[0], results[1])
        # Once indexed, only the bytes of samples are asked for.
        asked.clear()
        again = load_data(own.model_copy(update=names), None, 0)
        assert [line for line in asked if ".tar" in line] == []
        assert again.train.inputs[:2].shape == (2, 3, 8, 8)
        assert len([line for line in asked if "bytes=" in line]) == 2


@over_http
def test_a_server_that_stays_away_ends_the_run_although_damage_is_skipped(tmp_path: Path) -> None:
    folder = tmp_path / "served"
    write_shards(folder, "image", names=("a.tar",))
    plan: list[str] = []
    with served(folder, plan, []) as address:
        own = ImageData(
            image_size=8,
            dataset="shards",
            train_shards=f"{address}/a.tar",
            stream=True,
            skip_damaged=True,
            cache_folder=tmp_path / "cache",
        )
        data = load_data(own, None, 0)
        plan.extend(["503"] * 4)
        with refused("a.tar", 503):
            data.train.inputs[:1]
        assert len(data.train.inputs[:1]) == 1


@over_http
def test_a_server_without_parts_is_reported(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(bytes(2000))
    with (
        served(tmp_path, ["whole"], []) as address,
        refused("a.tar", "parts"),
    ):
        read_part(f"{address}/a.tar", 5, 10)
