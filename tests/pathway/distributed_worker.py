"""What each process of `test_distributed.py` runs: train on its half of every batch, gather, write.

    python -m torch.distributed.run --standalone --nproc-per-node 2 -m tests.pathway.distributed_worker FOLDER

For every one of `WRAPPERS` and every case of `CASES` process 0 writes the gathered state into a file of FOLDER.
"""

import os
import sys
from collections.abc import Callable
from datetime import timedelta
from itertools import product
from pathlib import Path

import torch
import torch.distributed as dist
from safetensors.torch import save_file
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torch.distributed.algorithms.ddp_comm_hooks import default_hooks
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel

import crosspath
from crosspath.pathway.engines.engine import Engine, engine_of
from tests.pathway.small_models import randomise

PROCESSES, STEPS, BATCH, CLASSES = 2, 3, 8, 5
LEARNING_RATE, MOMENTUM = 0.1, 0.9
SECONDS = 60
"""How long a process waits for the other one before it gives up with an error."""

WRAPPERS = ("ddp", "ddp-held", "fsdp")
"""`ddp-held`: the optimizer holds the pathways."""
CASES = ("one auxiliary", "two auxiliaries with bias", "frozen auxiliary, λ per head")


def vit(seed: int) -> VisionTransformer:
    torch.manual_seed(seed)
    model = VisionTransformer(img_size=32, patch_size=8, embed_dim=32, depth=2, num_heads=4, num_classes=CLASSES)
    randomise(model)
    return model


def connect_vit(case: str, seed: int = 0, engine: Engine = "live") -> VisionTransformer:
    """A small ViT with the pathways of a case; every process builds the same one."""
    model = vit(seed)
    options = {"scale_init": 0.1, "engine": engine}
    if case == "one auxiliary":
        crosspath.connect(model, {"audio": vit(100)}, **options)
    elif case == "two auxiliaries with bias":
        crosspath.connect(model, {"audio": vit(100), "point": vit(200)}, **options, bias=True)
    else:
        crosspath.connect(model, {"audio": vit(100)}, **options, scale_per="head", train_auxiliary=False)
    return model


def train(model: nn.Module, rank: int = 0, processes: int = 1) -> None:
    """Three steps of gradient descent, on this process's part of every batch."""
    generator = torch.Generator().manual_seed(7)
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
    if engine_of(model) == "optimizer":
        crosspath.pathways(model).attach(optimizer)
    for _ in range(STEPS):
        images_BCHW = torch.randn(BATCH, 3, 32, 32, generator=generator)
        labels_B = torch.randint(CLASSES, (BATCH,), generator=generator)
        part = slice(rank * BATCH // processes, (rank + 1) * BATCH // processes)
        optimizer.zero_grad()
        cross_entropy(model(images_BCHW[part]), labels_B[part]).backward()
        optimizer.step()


def with_ddp(model: VisionTransformer, rank: int) -> dict[str, Tensor]:
    """Train replicated; the state of this process, which must be that of the other one."""
    ddp = DistributedDataParallel(model)
    sizes: list[int] = []
    ddp.register_comm_hook(sizes, _note_size)
    train(ddp, rank, PROCESSES)
    if engine_of(model) == "optimizer" and sum(sizes) != STEPS * sum(p.numel() for p in vit(0).parameters()):
        raise RuntimeError(f"{sum(sizes)} gradients were exchanged, more than a plain model's")
    for name, value in model.state_dict().items():
        both = [torch.empty_like(value) for _ in range(PROCESSES)]
        dist.all_gather(both, value)
        if not torch.equal(both[0], both[1]):
            raise RuntimeError(f"{name}: the two processes hold different values")
    return model.state_dict()


def check_first_process_counts(rank: int) -> None:
    """Where each process has made other weights, all of them train those of the first one."""
    model = vit(rank)
    handle = crosspath.connect(model, {"audio": vit(100 + rank)}, scale_init=0.1 + rank, engine="optimizer")
    with torch.no_grad():
        for scale in handle.scales().values():
            scale.add_(0.1)
    first = [leaf.detach().clone() for leaf in (*handle.auxiliaries().values(), *handle.scales().values())]
    DistributedDataParallel(model)
    now = (*handle.auxiliaries().values(), *handle.scales().values())
    if rank == 0 and not all(torch.equal(before, after) for before, after in zip(first, now, strict=True)):
        raise RuntimeError("the first process has other weights than it made")
    with_ddp(model, rank)

    model = vit(0)
    options = {"scale_per": "layer" if rank == 0 else "head"}
    crosspath.connect(model, {"audio": vit(100)}, engine="optimizer", **options)
    try:
        DistributedDataParallel(model)
    except crosspath.PathwayError as error:
        if "the same pathways in every process" not in str(error):
            raise
    else:
        raise RuntimeError("expected other pathways in each process to be refused")


def _note_size(sizes: list[int], bucket: dist.GradBucket) -> torch.futures.Future[Tensor]:
    """Average a bucket of gradients over the processes, as PyTorch does, and note how many they are."""
    sizes.append(bucket.buffer().numel())
    return default_hooks.allreduce_hook(dist.group.WORLD, bucket)


def with_fsdp(model: VisionTransformer, rank: int) -> dict[str, Tensor]:
    """Train sharded, see that merging shards is refused, gather; the full state on process 0."""
    mesh = dist.init_device_mesh("cpu", (PROCESSES,))
    for block in model.blocks:
        fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh)
    train(model, rank, PROCESSES)
    if not all(isinstance(parameter, DTensor) for parameter in model.parameters()):
        raise RuntimeError("expected every parameter sharded")
    for attempt in (crosspath.merge, lambda target: crosspath.save_pathway(target, "never written")):
        check_refusal(attempt, model)
    return get_model_state_dict(model, options=StateDictOptions(full_state_dict=True, cpu_offload=True))


def check_refusal(attempt: Callable[[nn.Module], object], model: nn.Module) -> None:
    """Sharded values are refused with what to do, and nothing has changed."""
    names = list(model.state_dict())
    try:
        attempt(model)
    except crosspath.PathwayError as error:
        if "gather" not in str(error):
            raise
    else:
        raise RuntimeError("expected sharded parameters to be refused")
    if list(model.state_dict()) != names:
        raise RuntimeError("a refused call has changed the model")


def file_of(folder: Path, wrapper: str, case: str) -> Path:
    """Where the gathered state of a case is written."""
    return folder / f"{wrapper}-{CASES.index(case)}.safetensors"


def main(folder: str) -> None:
    """Run every case under every wrapper in this process."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", timeout=timedelta(seconds=SECONDS))
    rank = dist.get_rank()
    check_first_process_counts(rank)
    for wrapper, case in product(WRAPPERS, CASES):
        try:
            engine: Engine = "optimizer" if wrapper == "ddp-held" else "live"
            run = with_fsdp if wrapper == "fsdp" else with_ddp
            state = run(connect_vit(case, engine=engine), rank)
        except Exception as error:
            raise RuntimeError(f"{wrapper}, process {rank}, case {case!r}: {error}") from error
        if rank == 0:
            save_file(
                {name: value.contiguous().clone() for name, value in state.items()},
                file_of(Path(folder), wrapper, case),
            )
        dist.barrier()
    # All is done and written. Threads of gloo may outlive the interpreter, which PyTorch then ends with an abort: so
    # this process ends without tearing anything down.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
