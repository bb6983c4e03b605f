"""What a result depends on beside its recipe: versions, processor, threads."""

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

PACKAGES = ("crosspath", "timm", "numpy", "safetensors")


def environment(device: torch.device) -> dict[str, Any]:
    """Versions, processor name, threads and, on a GPU, its name."""
    return {
        "versions": {
            "python": platform.python_version(),
            # Torch's own word names its build as well.
            "torch": str(torch.__version__),
            **{name: _version(name) for name in PACKAGES},
        },
        "system": platform.system(),
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
    }


def conditions(device: torch.device, processes: int) -> dict[str, Any]:
    """What the last bits of a result depend on: a resumed run is identical where these are."""
    known = environment(device)
    return {
        "torch": known["versions"]["torch"],
        "processor": known["processor"],
        "threads": known["threads"],
        "gpu": known["gpu"],
        "processes": processes,
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="ignore").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())
