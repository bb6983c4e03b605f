"""One process or several that train one model: rank and count, and how they share batches, sums and weights.

Several are started by `torchrun` and joined through accelerate. A process then holds a full copy of the weights
(DistributedDataParallel) or a part of each (FSDP2).
"""

import atexit
import copy
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import ParametrizationList

from crosspath.errors import InputError

T = TypeVar("T")
TIMEOUT = timedelta(hours=12)


class Processes:
    """This process among `count`; with a count of 1 every method is a plain identity."""

    def __init__(self, rank: int, count: int, accelerator: Any = None, *, sharded: bool = False) -> None:
        self.rank = rank
        self.count = count
        self.sharded = sharded
        self._accelerator = accelerator
        self._copies: dict[int, nn.Module] = {}

    @property
    def main(self) -> bool:
        """Whether this is the process that writes files and messages."""
        return self.rank == 0

    def device(self, device: torch.device) -> torch.device:
        """The device of this process: with several on GPUs, its own."""
        return device if self.count == 1 or device.type == "cpu" else torch.device(self._accelerator.device)

    def wrap(self, model: nn.Module) -> nn.Module:
        """What this process calls in training in place of `model`, which it shares its weights with.

        Sharding changes `model` in place: optimizers are made afterwards. Batch normalisation reads the statistics
        of all processes on GPUs, and those of its own part of the batch on CPUs, where torch has no other kind.
        """
        if self.count == 1:
            return model
        if any(parameter.is_cuda for parameter in model.parameters()):
            model = nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
        if self.sharded:
            self._copies[id(model)] = copy.deepcopy(model).cpu()
            _shard(model)
            return model
        wrapped_model: nn.Module = self._accelerator.prepare_model(model)
        return wrapped_model

    def full_model(self, model: nn.Module) -> nn.Module:
        """The model with all its values, for reading and saving; of a sharded one a copy on the CPU."""
        if id(model) not in self._copies:
            return model
        values = {name: full_tensor_of(value) for name, value in model.state_dict().items()}
        replica = self._copies[id(model)]
        replica.load_state_dict(values)
        return replica

    def sync_context(self, model: nn.Module, last: bool) -> AbstractContextManager[object]:
        """The context of one part of an accumulated batch: gradients are exchanged with the last one only."""
        if self.count == 1 or last:
            return nullcontext()
        if self.sharded:
            return _without_gradient_sync(model)
        context: AbstractContextManager[object] = model.no_sync()  # type: ignore[operator]
        return context

    def sum(self, value: Tensor) -> Tensor:
        """The sum over all processes."""
        if self.count == 1:
            return value
        total: Tensor = self._accelerator.reduce(value, "sum")
        return total

    def share(self, count: int) -> list[int]:
        """The positions, of `count`, that this process reads: as many in every process, so some repeat the last."""
        size = -(-count // self.count)
        return [min(position, count - 1) for position in range(self.rank * size, (self.rank + 1) * size)]

    def gather(self, rows: Tensor, count: int) -> Tensor:
        """The `count` rows of all processes in order, each once, given those of `share`."""
        if self.count == 1:
            return rows
        device = self._accelerator.device
        rows_of_all: Tensor = self._accelerator.gather(rows.to(device).contiguous())
        return rows_of_all[:count].to(rows.device)

    def gather_each(self, value: Tensor) -> list[Tensor]:
        """The value of every process, by rank; shapes are the same in all."""
        if self.count == 1:
            return [value]
        values: Tensor = self._accelerator.gather(value.to(self._accelerator.device)[None])
        return list(values.cpu())

    def broadcast(self, value: T) -> T:
        """The main process's value, for all."""
        if self.count == 1:
            return value
        from accelerate.utils import broadcast_object_list

        box = [value]
        broadcast_object_list(box)
        return box[0]

    def run_on_main(self, function: Callable[[], T]) -> T:
        """The result of `function` in the main process, for all; an `InputError` there is raised in all."""
        answer: T | InputError
        try:
            answer = function() if self.main else None  # type: ignore[assignment]
        except InputError as error:
            answer = error
        answer = self.broadcast(answer)
        if isinstance(answer, InputError):
            raise answer
        return answer

    def wait(self) -> None:
        """Wait until every process is here."""
        if self.count > 1:
            self._accelerator.wait_for_everyone()

    @contextmanager
    def main_first(self) -> Iterator[None]:
        """The block runs in the main process before the others: what it leaves on disk is there for them."""
        if not self.main:
            self.wait()
        yield
        if self.main:
            self.wait()


def join_processes(device: str, *, sharded: bool) -> Processes:
    """Join the processes that `torchrun` started; without it there is one.

    Raises
    ------
    InputError
        For sharding without several processes.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        if sharded:
            todo = "start it with torchrun --nproc-per-node N -m crosspath ..., or leave train.parallel out"
            raise InputError("train.parallel", "several processes to shard over", "one", todo)
        return Processes(0, 1)
    from accelerate import Accelerator, InitProcessGroupKwargs

    # The first process may list or decode millions of files while the others wait.
    timeout = InitProcessGroupKwargs(timeout=TIMEOUT)
    accelerator = Accelerator(cpu=device == "cpu" or not torch.cuda.is_available(), kwargs_handlers=[timeout])
    # Left open, gloo's threads may abort a process that ends while another still talks to it.
    atexit.register(_leave)
    return Processes(accelerator.process_index, accelerator.num_processes, accelerator, sharded=sharded)


def _leave() -> None:
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def full_tensor_of(value: Tensor) -> Tensor:
    """A tensor with all its values on the CPU; of a sharded one the parts are gathered, by every process."""
    from torch.distributed.tensor import DTensor

    return (value.full_tensor() if isinstance(value, DTensor) else value).detach().cpu()


def fill(place: Tensor, value: Tensor) -> None:
    """Copy the full tensor `value` into `place`; a sharded `place` takes its part."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    with torch.no_grad():
        if isinstance(place, DTensor):
            place.copy_(distribute_tensor(value.to(place.device), place.device_mesh, place.placements))
        else:
            place.copy_(value)


def _shard(model: nn.Module) -> None:
    """FSDP2: each block's weights are gathered when it runs, the rest with the model."""
    from torch.distributed.fsdp import fully_shard

    # A list of parametrizations is a list of modules too, but none of blocks.
    lists = [m for m in model.modules() if isinstance(m, nn.ModuleList) and not isinstance(m, ParametrizationList)]
    for block in (block for blocks in lists for block in blocks):
        fully_shard(block)
    fully_shard(model)


@contextmanager
def _without_gradient_sync(model: nn.Module) -> Iterator[None]:
    model.set_requires_gradient_sync(False)  # type: ignore[operator]
    try:
        yield
    finally:
        model.set_requires_gradient_sync(True)  # type: ignore[operator]
