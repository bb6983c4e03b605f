"""An epoch of a head on a frozen body: through the body, and on features that were computed once.

Times are seconds of the processor, which other programs disturb less than the clock.
"""

import time

import torch

from benchmarks.tables import Cell, Table
from benchmarks.timing import interleave, median_with_interval, ratio, timer
from crosspath.config import apply_overrides
from crosspath.modalities.batches import generated_batch
from crosspath.models.build import build_model
from crosspath.recipes import recipe_named
from crosspath.training.features import PooledHead

SAMPLES, BATCH, CLASSES = 64, 32, 10


def measure(*, short: bool) -> list[Table]:
    """One table: a row a size of the body, pictures of 32 pixels in 64 patches."""
    rows: list[tuple[Cell, ...]] = []
    for size in ("micro", "tiny"):
        recipe = apply_overrides(recipe_named("image/cifar10"), (f"model.size={size}",))
        torch.manual_seed(0)
        model = build_model(recipe, CLASSES)
        model.requires_grad_(False)
        model.head.requires_grad_(True)
        pictures, labels = generated_batch(recipe, SAMPLES), torch.arange(SAMPLES) % CLASSES
        with torch.no_grad():
            pooled = torch.cat([model.pooled(batch) for batch in pictures.split(BATCH)])
        optimizer = torch.optim.AdamW(model.head.parameters(), lr=1e-3, fused=True)

        def epoch(reader: torch.nn.Module, inputs: torch.Tensor, labels=labels, optimizer=optimizer) -> None:  # type: ignore[no-untyped-def]
            for batch, targets in zip(inputs.split(BATCH), labels.split(BATCH), strict=True):
                optimizer.zero_grad(set_to_none=True)
                torch.nn.functional.cross_entropy(reader(batch), targets).backward()
                optimizer.step()

        times = interleave(
            {
                "features": timer(lambda: epoch(PooledHead(model), pooled), time.process_time),  # noqa: B023
                "body": timer(lambda: epoch(model, pictures), time.process_time),  # noqa: B023
            },
            7 if short else 21,
        )
        each_ms = [median_with_interval([1e3 * t / SAMPLES for t in times[name]]) for name in ("body", "features")]
        rows.append((size, *each_ms, ratio(times["features"], times["body"])))
    columns = ("body", "through the body, ms a sample", "on features, ms a sample", "features / body")
    notes = ("The first epoch computes the features: it costs what an epoch through the body does, once.",)
    return [Table("An epoch of a linear probe", columns, tuple(rows), notes)]
