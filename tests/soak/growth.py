"""What lives in a process, and how much memory it holds."""

import gc
from pathlib import Path

import torch
from torch import Tensor, nn


def counts() -> dict[str, int]:
    """What lives in this process, after a collection."""
    gc.collect()
    found = {"tensors": 0, "modules": 0, "classes of modules": 0}
    for entry in gc.get_objects():
        kind = type(entry)
        found["tensors"] += issubclass(kind, Tensor)
        found["modules"] += issubclass(kind, nn.Module)
        found["classes of modules"] += issubclass(kind, type) and issubclass(entry, nn.Module)
    module = torch.nn.modules.module
    found["hooks"] = sum(len(value) for name, value in vars(module).items() if name.startswith("_global_") and value)
    return found


def resident() -> float:
    """MiB of memory that the process holds; 0 where the system does not say."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0.0
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmRSS:")) / 1024
