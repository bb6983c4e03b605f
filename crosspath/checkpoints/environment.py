"""What can change the last bits of a result besides weights and data: versions, processor, threads."""

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

PACKAGES = ("crosspath", "timm", "numpy", "safetensors")


def environment() -> dict[str, Any]:
    """Versions, system, processor name and threads of this process."""
    return {
        "versions": {
            "python": platform.python_version(),
            # torch's own version names its build as well.
            "torch": str(torch.__version__),
            **{name: _version(name) for name in PACKAGES},
        },
        "system": platform.system(),
        "processor": _processor(),
        "threads": torch.get_num_threads(),
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
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
