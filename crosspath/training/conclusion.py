"""What a finished training amounts to: its result, from the weights that it ends with."""

from collections.abc import Sequence
from pathlib import Path

from crosspath.data.streaming.samples import damaged_files
from crosspath.evaluation.cost import cost_of
from crosspath.metrics import with_class_names
from crosspath.modalities.batches import generated_batch
from crosspath.training.assembly import Assembly
from crosspath.training.environment import environment
from crosspath.training.epochs import Training
from crosspath.training.pathways import likeness_of, scales_of, sizes_of, strengths_of
from crosspath.training.result import Result


def conclude(
    training: Training,
    assembly: Assembly,
    test: dict[str, float],
    *,
    seconds: float,
    from_checkpoint: str | Path | None,
    notes: Sequence[str],
) -> Result:
    """The result of a training whose epochs have ended; `test` has the metrics of the test part, or nothing."""
    run, recipe, data, outcome = training.run, training.recipe, training.data, training.outcome
    compute, model = training.compute, training.outcome.model
    return Result(
        folder=str(run.path),
        recipe=recipe.name,
        objective=recipe.objective,
        seed=recipe.train.seed,
        metrics={"validation": outcome.metrics, "test": with_class_names(test, training.classes)},
        epoch=outcome.epoch,
        epochs=recipe.train.epochs,
        steps=outcome.steps,
        samples={"train": len(data.train), "validation": len(data.validation), "test": len(data.test)},
        classes=training.classes,
        cost=cost_of(model, generated_batch(recipe, 1).to(compute.device), timed=training.objective.labelled),
        duration_s=seconds,
        compute={"device": str(compute.device), "precision": compute.precision, "reason": compute.reason},
        environment=environment(compute.device),
        data={
            "fingerprint": data.fingerprint,
            "unread": dict(data.unread),
            "damaged": [
                {"path": str(file.path), "reason": file.reason}
                for file in (*data.damaged_files, *damaged_files(data.train))
            ],
        },
        start=None if from_checkpoint is None else str(from_checkpoint),
        auxiliaries=assembly.origins,
        scales=scales_of(model),
        strengths=strengths_of(model),
        likeness=likeness_of(model, assembly.starts),
        sizes=sizes_of(model),
        notes=tuple(notes),
        resumed_at=tuple(run.resumed_at()),
    )
