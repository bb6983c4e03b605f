"""What a result depends on besides its recipe: versions, processor, threads, and the GPU it ran on."""

from typing import Any

import torch

from crosspath.checkpoints import environment as process


def environment(device: torch.device) -> dict[str, Any]:
    """Versions, processor name, threads and, on a GPU, its name."""
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    return {**process.environment(), "gpu": gpu}


def conditions(device: torch.device, processes: int) -> dict[str, Any]:
    """What the last bits of a result depend on: a resumed run is identical where these are."""
    values = environment(device)
    return {
        "torch": values["versions"]["torch"],
        "processor": values["processor"],
        "threads": values["threads"],
        "gpu": values["gpu"],
        "processes": processes,
    }
