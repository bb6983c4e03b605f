"""What data-parallel training exchanges: the bytes reduced in a step, and its time, with one process and several."""

import socket
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing
from timm.models.vision_transformer import VisionTransformer
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

from benchmarks.engines import MEANINGS, WITH_PATHWAYS, connect_variant, optimizer_of
from benchmarks.tables import Cell, Table
from benchmarks.timing import interleave, median_with_interval, ratio, timer

VARIANTS = ("plain", *WITH_PATHWAYS)
SIZES = {"micro": (128, 6), "small": (384, 12)}
"""(width, blocks)"""
BANDWIDTH = 25e9
"""Bytes a second of a link between devices: 200 Gbit/s, as one network card has."""
BATCH, TOKENS = 16, 64
"""Images of one process, and patches of an image."""


def vit(size: str) -> VisionTransformer:
    """A ViT of timm."""
    width, depth = SIZES[size]
    side = round(TOKENS**0.5) * 16
    return VisionTransformer(img_size=side, embed_dim=width, depth=depth, num_heads=width // 32, num_classes=10)


def step_of(variant: str, size: str) -> tuple[Callable[[], float], list[int]]:
    """A step of data-parallel training that returns its seconds, and the bytes of every bucket that it reduces."""
    torch.manual_seed(0)
    model, auxiliary = vit(size), vit(size)
    optimizer = optimizer_of(model, connect_variant(variant, model, {"auxiliary": auxiliary}))
    parallel = DistributedDataParallel(model)
    bucket_bytes: list[int] = []

    def count(state: None, bucket: dist.GradBucket) -> torch.futures.Future[torch.Tensor]:
        bucket_bytes.append(bucket.buffer().nbytes)
        return allreduce_hook(dist.group.WORLD, bucket)

    parallel.register_comm_hook(None, count)
    side = round(TOKENS**0.5) * 16
    images, labels = torch.randn(BATCH, 3, side, side), torch.randint(10, (BATCH,))

    def step() -> None:
        bucket_bytes.clear()
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(parallel(images), labels).backward()
        optimizer.step()

    return timer(step), bucket_bytes


def process(rank: int, count: int, port: int, size: str, rounds: int, results: Any) -> None:
    """One of `count` processes; the first one reports."""
    torch.set_num_threads(1)
    address = f"tcp://127.0.0.1:{port}"
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=count)
    try:
        steps = {variant: step_of(variant, size) for variant in VARIANTS}
        # Every process draws the same order, so that their steps meet.
        seconds = interleave({variant: step for variant, (step, _) in steps.items()}, rounds, warm=2)
        if rank == 0:
            results.put(
                {variant: (seconds[variant], sum(bucket_bytes)) for variant, (_, bucket_bytes) in steps.items()}
            )
    finally:
        dist.destroy_process_group()


def run(count: int, size: str, rounds: int) -> dict[str, tuple[list[float], int]]:
    """{variant: (seconds of each round, bytes reduced in a step)}."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    results = torch.multiprocessing.get_context("spawn").SimpleQueue()
    torch.multiprocessing.spawn(process, (count, port, size, rounds, results), nprocs=count)
    return results.get()  # type: ignore[no-any-return]


def measure(*, short: bool) -> list[Table]:
    """What `python -m benchmarks communication` prints."""
    rounds = 10 if short else 31
    rows: list[tuple[Cell, ...]] = []
    for size in ["micro"] if short else list(SIZES):
        for count in (1, 2):
            results = run(count, size, rounds)
            plain, _ = results["plain"]
            for variant, (seconds, total) in results.items():
                milliseconds = median_with_interval([1e3 * value for value in seconds]).median
                rows.append((size, count, variant, total / 2**20, milliseconds, ratio(seconds, plain)))
    columns = ("size", "processes", "variant", "reduced, MiB a step", "step, ms", "step / plain")
    notes = (
        f"{rounds} rounds; {BATCH} × {TOKENS} tokens a process, one thread each, gloo on one machine. Bytes are "
        f"counted in DistributedDataParallel's buckets: exact. {MEANINGS}",
    )
    return [Table("Data-parallel steps", columns, tuple(rows), notes), extrapolation(rows)]


def extrapolation(rows: list[tuple[Cell, ...]]) -> Table:
    """What a step would cost on 64 devices: computed from the bytes above, not measured."""
    table: list[tuple[Cell, ...]] = []
    for size, count, variant, mebibytes, *_ in rows:
        if count == 1 and isinstance(mebibytes, float):
            seconds = [2 * (devices - 1) / devices * mebibytes * 2**20 / BANDWIDTH for devices in (8, 64)]
            table.append((size, variant, mebibytes, *(1e3 * value for value in seconds)))
    columns = ("size", "variant", "reduced, MiB a step", "8 devices, ms", "64 devices, ms")
    notes = (
        f"Not measured: a ring all-reduce sends 2·(n − 1)/n of the bytes over each link, here of {BANDWIDTH / 1e9:.0f} "
        "GB/s, without latency and without overlap with the backward. What else a step costs does not depend on n.",
    )
    return Table("Exchange on many devices", columns, tuple(table), notes)
