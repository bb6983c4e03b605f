"""Arrays in files: read whole, never unpickled, one header at a time."""

import io
import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crosspath.data.arrays import load_array
from crosspath.data.items import DamageError


def test_an_array_is_read_from_a_file_and_from_memory(tmp_path: Path) -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.save(tmp_path / "a.npy", array)
    for source in (tmp_path / "a.npy", io.BytesIO((tmp_path / "a.npy").read_bytes())):
        np.testing.assert_array_equal(load_array(source), array)


class Harmful:
    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("a pickle was executed",))


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY\x01\x00", pickle.dumps(Harmful())])
def test_other_content_is_damage_and_no_pickle_is_executed(content: bytes) -> None:
    with pytest.raises(DamageError, match="the array cannot be read"):
        load_array(io.BytesIO(content))


def test_an_archive_is_no_array(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", a=np.zeros(1), b=np.zeros(1))
    with pytest.raises(DamageError, match="an archive of several"):
        load_array(tmp_path / "a.npz")


def test_threads_parse_one_header_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    active = most = 0

    def load(source: object, allow_pickle: bool) -> Any:
        nonlocal active, most
        active += 1
        most = max(most, active)
        time.sleep(0.002)
        active -= 1
        return np.zeros(1)

    monkeypatch.setattr(np, "load", load)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: load_array(io.BytesIO()), range(16)))
    assert most == 1
