"""How the cost of a training step with a pathway changes with depth, width, tokens and the number of auxiliaries."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from timm.models.vision_transformer import VisionTransformer
from torch.nn import functional as F

from benchmarks.engines import MEANINGS, WITH_PATHWAYS, connect_variant, optimizer_of
from benchmarks.tables import Cell, Table
from benchmarks.timing import interleave, median_with_interval, ratio, timer

PATCH, CLASSES, BATCH = 4, 10, 4


@dataclass(frozen=True)
class Size:
    """A ViT, its batch and its auxiliaries."""

    depth: int = 4
    width: int = 128
    side: int = 12
    """Patches of an image: side², and as many tokens."""
    auxiliaries: int = 1


SHORT = {"depth": (2, 8), "width": (64, 256), "side": (4, 20), "auxiliaries": (2, 4)}
LONG = {"depth": (2, 8, 16), "width": (64, 256, 384), "side": (4, 20, 32), "auxiliaries": (2, 3, 4)}


def step_of(size: Size, variant: str) -> Callable[[], float]:
    """A training step that returns its processor seconds."""
    torch.manual_seed(0)

    def vit() -> VisionTransformer:
        return VisionTransformer(
            img_size=size.side * PATCH,
            patch_size=PATCH,
            embed_dim=size.width,
            depth=size.depth,
            num_heads=size.width // 32,
            num_classes=CLASSES,
            class_token=False,
            global_pool="avg",
        )

    model = vit()
    auxiliaries = {f"auxiliary_{index}": vit() for index in range(size.auxiliaries)}
    optimizer = optimizer_of(model, connect_variant(variant, model, auxiliaries))
    images = torch.randn(BATCH, 3, size.side * PATCH, size.side * PATCH)
    labels = torch.randint(CLASSES, (BATCH,))

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()

    # One thread computes: processor time is its time, and other programs disturb it less.
    return timer(step, time.process_time)


def measure(*, short: bool) -> list[Table]:
    """What `python -m benchmarks growth` prints: one size is changed at a time."""
    rounds = 15 if short else 61
    sizes = [("", Size())]
    sizes += [
        (name, replace(Size(), **{name: value}))
        for name, values in (SHORT if short else LONG).items()
        for value in values
    ]
    rows: list[tuple[Cell, ...]] = []
    for name, size in sizes:
        steps = {variant: step_of(size, variant) for variant in ("plain", *WITH_PATHWAYS)}
        seconds = interleave(steps, rounds, warm=2)
        plain = seconds["plain"]
        milliseconds = median_with_interval([1e3 * value for value in plain]).median
        shape = (size.depth, size.width, f"{BATCH} × {size.side**2}", size.auxiliaries)
        label = {"side": "tokens", "": "-"}.get(name, name)
        rows.append((label, *shape, milliseconds, *(ratio(seconds[variant], plain) for variant in WITH_PATHWAYS)))
    columns = (
        "changed",
        "depth",
        "width",
        "batch × tokens",
        "auxiliaries",
        "plain, ms",
        *(f"{variant} / plain" for variant in WITH_PATHWAYS),
    )
    notes = (f"A ViT in float32 with fused AdamW, {rounds} rounds a size; processor time. {MEANINGS}",)
    return [Table("A step with pathways, as the model grows", columns, tuple(rows), notes)]
