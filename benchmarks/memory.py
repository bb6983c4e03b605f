"""How memory is measured: live tensors to the byte, or the resident memory of the process."""

import multiprocessing
import resource
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

STATUS = Path("/proc/self/status")


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of all live tensors after every operation; exact and deterministic.

    Temporary memory inside a kernel is not counted.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.peak = 0
        self._storages: dict[int, weakref.ref[Any]] = {}

    def count(self, tensor: Tensor) -> None:
        """Count a tensor's memory until it is freed; memory that several tensors share counts once."""
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key in self._storages:
            return

        def release(_: object) -> None:
            self.now -= size
            del self._storages[key]

        self._storages[key] = weakref.ref(storage, release)
        self.now += size
        self.peak = max(self.peak, self.now)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for value in result if isinstance(result, tuple | list) else (result,):
            if isinstance(value, Tensor):
                self.count(value)
        return result


def largest_resident_mib() -> float:
    """The largest resident memory of this process so far."""
    if STATUS.exists():
        # On Linux a process inherits ru_maxrss from its parent; VmHWM is its own.
        return _status_mib("VmHWM")
    # macOS counts ru_maxrss in bytes, others in KiB.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)


def peak_increment_mib(work: Callable[[], object]) -> float:
    """How far the resident memory rises above where it stands, while the work is done.

    One sample, with allocator noise of a few MiB. Only Linux can lower the mark again; elsewhere an earlier, higher
    peak hides this one, so measure the largest step first or in a process of its own.
    """
    clear = Path("/proc/self/clear_refs")
    if STATUS.exists() and clear.exists():
        clear.write_text("5", encoding="ascii")
    before = _status_mib("VmRSS") if STATUS.exists() else largest_resident_mib()
    work()
    return largest_resident_mib() - before


def in_new_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """What the function returns in a process that has done nothing else: its memory is fresh."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def _status_mib(field: str) -> float:
    line = next(line for line in STATUS.read_text(encoding="ascii").splitlines() if line.startswith(field))
    return int(line.split()[1]) / 1024
