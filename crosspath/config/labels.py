"""What the labels of a recipe's data are: it follows from the objective, and the `data` section says it to readers."""

from collections.abc import Mapping, Sequence
from typing import Any

from crosspath.config.data.section import DataSection, LabelKind

OF_OBJECTIVE: Mapping[str, LabelKind] = {
    "classification": "classes",
    "masked_modeling": "classes",
    "regression": "numbers",
    "segmentation": "dense",
    "part_segmentation": "dense",
    "detection": "boxes",
}


def fill_label_kind(tree: Any) -> Any:
    """A recipe's sections with `data.label_kind`. Raises `ValueError` where it is given otherwise."""
    if not isinstance(tree, Mapping):
        return tree
    data, kind = tree.get("data"), OF_OBJECTIVE.get(tree.get("objective", "classification"))
    if kind is None or not isinstance(data, Mapping | DataSection):
        return tree
    settings = data if isinstance(data, Mapping) else dict(data)
    if settings.get("label_columns") and not settings.get("multi_label") and tree.get("objective") == "masked_modeling":
        kind = "numbers"  # so that the table is read as by the regression beside it
    if isinstance(data, DataSection):
        return {**tree, "data": data.model_copy(update={"label_kind": kind})}
    if data.get("label_kind", kind) != kind:
        raise ValueError(f"data.label_kind follows from the objective, {kind} here: leave it out")
    return {**tree, "data": {**data, "label_kind": kind}}


def without_smoothing(overrides: Sequence[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Overrides to insert before the user's where these switch to an objective without classes: label smoothing becomes
    0."""
    objectives = [value for name, value in overrides if name == "objective"]
    kind = OF_OBJECTIVE.get(objectives[-1], "classes") if objectives and isinstance(objectives[-1], str) else "classes"
    return [] if kind == "classes" else [("train.label_smoothing", 0.0)]
