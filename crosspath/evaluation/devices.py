"""Where numbers are computed and in which precision; the same choice for training, evaluation and prediction."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch

from crosspath.config.training import TrainSection
from crosspath.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Compute:
    """A device, a precision, and why."""

    device: torch.device
    precision: str
    """`float32`, or `bfloat16`: weights stay float32, matrix products run in bfloat16 (autocast)."""
    reason: str

    def autocast(self) -> AbstractContextManager[object]:
        """The context in which models run."""
        if self.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)


def choose_compute(section: TrainSection) -> Compute:
    """Resolve `train.device` and `train.precision`.

    Raises
    ------
    InputError
        For a device that this machine or this build of torch lacks.
    """
    has_cuda = torch.cuda.is_available()
    if section.device == "cuda" and not has_cuda:
        raise InputError("train.device", "a CUDA device", "none that torch can use", "set train.device=cpu")
    device = torch.device("cuda" if has_cuda and section.device != "cpu" else "cpu")
    if section.precision != "auto":
        return Compute(device=device, precision=section.precision, reason="train.precision asks for it")
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
        reason = "the GPU computes in it" if fast else "the GPU does not compute in bfloat16"
    else:
        fast = _cpu_multiplies_bfloat16()
        reason = "the processor multiplies in it" if fast else "the processor does not multiply in bfloat16"
    return Compute(device=device, precision="bfloat16" if fast else "float32", reason=reason)


def _cpu_multiplies_bfloat16() -> bool:
    """Whether the processor has instructions for bfloat16 products (AVX512-BF16, AMX, or Arm's BF16)."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="ignore")
    except OSError:
        return False
    words = set(flags.split())
    return bool({"avx512_bf16", "amx_bf16", "bf16"} & words)
