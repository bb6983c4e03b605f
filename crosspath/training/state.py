"""What a run needs to resume exactly: every tensor and number that the next step depends on.

Weights, their moving average and the best ones so far, the optimizer's moments, the loss scale, torch's random states
(of every process) and the position in the data. Order and augmentation follow from seed, epoch and sample, so the
position is two numbers. Stored as safetensors and JSON beside the checkpoint of the same step; no pickle.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from crosspath.errors import InputError
from crosspath.files import read_json_as, read_tensors, tensor_faults
from crosspath.training.processes import Processes, fill, full_tensor_of

STATE = "state.json"
STATE_TENSORS = "state.safetensors"
STATE_FILES = (STATE, STATE_TENSORS)


@dataclass
class Position:
    """How far a run has come, with its sums and metrics so far. The field names are those of `state.json`."""

    step: int = 0
    """Optimisation steps done."""
    epoch: int = 0
    """The epoch (from 0) of the next step."""
    batch: int = 0
    """Steps of that epoch done."""
    epoch_loss: float = 0.0
    """Sum of the losses of that epoch's samples so far."""
    epoch_samples: int = 0
    kept_epoch: int = 0
    """The epoch (from 1) of the outcome so far; 0 before the validation part was read for the first time."""
    kept_metrics: dict[str, float] = field(default_factory=dict)
    log_bytes: int = 0
    """Length of `log.jsonl`."""
    environment: dict[str, Any] = field(default_factory=dict)
    """What bit-identity depends on: versions, processor, threads, processes."""


SavedState = tuple[Position, dict[str, Tensor]]
"""A state as it was read: how far the run had come, and its tensors."""


@dataclass(frozen=True, kw_only=True)
class LearningState:
    """The parts of a run that change from step to step."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    average: nn.Module | None
    best: dict[str, Tensor]
    """A copy of the best weights so far, on the CPU; empty where none are kept."""
    scaler: torch.amp.GradScaler | None
    processes: Processes

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor by name, complete and on the CPU. Called in every process."""
        state = {f"model.{name}": full_tensor_of(value) for name, value in self.model.state_dict().items()}
        if self.average is not None:
            state |= {f"average.{name}": full_tensor_of(value) for name, value in self.average.state_dict().items()}
        state |= {f"best.{name}": value for name, value in self.best.items()}
        for index, parameter in enumerate(_parameters(self.optimizer)):
            for name, value in self.optimizer.state.get(parameter, {}).items():
                state[f"optimizer.{index}.{name}"] = full_tensor_of(torch.as_tensor(value))
        for rank, value in enumerate(self.processes.gather_each(torch.get_rng_state())):
            state[f"random.{rank}.cpu"] = value.cpu()
        if torch.cuda.is_available():
            for rank, value in enumerate(self.processes.gather_each(torch.cuda.get_rng_state())):
                state[f"random.{rank}.cuda"] = value.cpu()
        if self.scaler is not None:
            scaler = self.scaler.state_dict()
            numbers = [scaler["scale"], scaler["_growth_tracker"]] if scaler else [0.0, 0.0]
            state["scaler"] = torch.tensor(numbers, dtype=torch.float64)
        return state

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Load what `tensors` returned, in place.

        Raises
        ------
        InputError
            For a state of another model or optimizer.
        """
        by_part: dict[str, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            part, _, rest = name.partition(".")
            by_part.setdefault(part, {})[rest] = value
        _fill_all("model", self.model, by_part.get("model", {}))
        if self.average is not None:
            _fill_all("average", self.average, by_part.get("average", {}))
        self.best.update(by_part.get("best", {}))
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in by_part.get("optimizer", {}).items():
            index, _, kind = name.partition(".")
            moments.setdefault(int(index), {})[kind] = value
        groups = [group for group in self.optimizer.param_groups for _ in group["params"]]
        for number, (parameter, group) in enumerate(zip(_parameters(self.optimizer), groups, strict=True)):
            state = self.optimizer.state[parameter]
            for kind, value in moments.get(number, {}).items():
                # A moment has the shape and the placement of its weight; a count of steps is a scalar.
                is_moment = value.shape == parameter.shape and value.ndim > 0
                # A fused optimizer keeps that count beside its weight.
                home = parameter.device if group.get("fused") else value.device
                state[kind] = torch.zeros_like(parameter) if is_moment else value.clone().to(home)
                if is_moment:
                    fill(state[kind], value)
        random_states = by_part.get("random", {})
        if f"{self.processes.rank}.cpu" in random_states:
            torch.set_rng_state(random_states[f"{self.processes.rank}.cpu"])
        if torch.cuda.is_available() and f"{self.processes.rank}.cuda" in random_states:
            torch.cuda.set_rng_state(random_states[f"{self.processes.rank}.cuda"])
        if self.scaler is not None and "scaler" in tensors and float(tensors["scaler"][0]) > 0:
            scale, growth = tensors["scaler"].tolist()
            self.scaler.load_state_dict({**self.scaler.state_dict(), "scale": scale, "_growth_tracker": int(growth)})


def write_state(folder: Path, position: Position, tensors: Mapping[str, Tensor]) -> None:
    """Write both files into `folder`, which is not yet in its place."""
    (folder / STATE).write_text(json.dumps(asdict(position), allow_nan=False), encoding="utf-8")
    save_file({name: value.contiguous().clone() for name, value in tensors.items()}, folder / STATE_TENSORS)


def read_state(folder: Path) -> SavedState:
    """What `write_state` wrote. Raises `InputError` for missing, damaged or foreign files."""
    position = read_json_as(folder / STATE, Position)
    numbers = (position.step, position.epoch, position.batch, position.epoch_samples, position.log_bytes)
    if min(numbers) < 0:
        raise InputError(folder / STATE, "numbers from 0", str(min(numbers)), "start a new run")
    return position, read_tensors(folder / STATE_TENSORS)[0]


def _parameters(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _fill_all(part: str, module: nn.Module, values: Mapping[str, Tensor]) -> None:
    own = module.state_dict()
    faults = tensor_faults(values, own)
    if faults:
        raise InputError(STATE_TENSORS, f"the weights of this run's {part}", "; ".join(faults), "start a new run")
    for name, place in own.items():
        fill(place, values[name])
