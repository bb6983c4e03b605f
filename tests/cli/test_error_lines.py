"""Which errors are one line for the user, and which keep their traceback."""

import errno
from collections.abc import Callable

import numpy as np
import pytest
import torch

from crosspath.cli.error_lines import line_of

ENORMOUS = 10**15


def out_of_gpu_memory() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 8 GiB")


@pytest.mark.parametrize(
    ("ask", "request_"),
    [
        (lambda: np.ones(ENORMOUS, np.float64), "7.11 PiB"),
        (lambda: torch.ones(ENORMOUS), f"{4 * ENORMOUS} bytes"),
        (out_of_gpu_memory, "20.00 MiB"),
    ],
    ids=["numpy", "torch", "gpu"],
)
def test_too_little_memory_is_one_line_with_the_request(ask: Callable[[], object], request_: str) -> None:
    with pytest.raises((MemoryError, RuntimeError)) as caught:
        ask()
    line = line_of(caught.value)
    assert line is not None
    assert request_ in line
    assert "train.batch_size" in line


def test_faults_of_the_program_keep_their_traceback() -> None:
    for error in (
        RuntimeError("shapes"),
        KeyError("x"),
        OSError(errno.EINTR, "interrupted"),
        OSError(errno.EACCES, ""),
    ):
        assert line_of(error) is None
