"""A recipe: the complete, typed description of a run."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Literal, Self

from pydantic import BaseModel, Field, ValidationError, model_validator

from crosspath.config.data import Data
from crosspath.config.model import ModelSection
from crosspath.config.section import Section
from crosspath.config.training import (
    Augment,
    EvaluateSection,
    MaskingSection,
    OptimizerSection,
    PathwaySection,
    ScheduleSection,
    TrainSection,
)
from crosspath.config.wording import Fault, fault_in_words, joined
from crosspath.errors import InputError

TOKENIZER_OF = {
    "image": "image_patches",
    "audio": "audio_patches",
    "point": "point_groups",
    "video": "video_tubelets",
    "text": "text_tokens",
}
MASKING_HOME = {"tube": "video", "block": "point", "time_frequency": "audio", "closers": "text"}
"""Masks that one modality alone has."""


class Recipe(Section):
    """Everything a run needs but its data and its checkpoints.

    Raises `pydantic.ValidationError` on construction; `validated` turns that into one `InputError`.
    """

    name: str
    """Such as `image/cifar10`."""
    objective: Literal["classification", "masked_modeling"] = "classification"
    modality: Literal["image", "audio", "point", "video", "text"]
    data: Data
    model: ModelSection
    pathway: PathwaySection = Field(default_factory=PathwaySection)
    optimizer: OptimizerSection = Field(default_factory=OptimizerSection)
    schedule: ScheduleSection = Field(default_factory=ScheduleSection)
    augment: Augment
    train: TrainSection = Field(default_factory=TrainSection)
    evaluate: EvaluateSection = Field(default_factory=EvaluateSection)
    masking: MaskingSection | None = None
    """Of `masked_modeling`, and only there."""

    @property
    def stems_from(self) -> str:
        """The modality of its data; `procedural` where a rule made them, which are of no modality to a comparison."""
        return "procedural" if getattr(self.data, "procedural", False) else self.modality

    @model_validator(mode="after")
    def _sections_agree(self) -> Self:
        for section, found in (("data", self.data.modality), ("augment", self.augment.modality)):
            if found != self.modality:
                raise ValueError(f"{section}.modality is {found}, but the recipe's modality is {self.modality}")
        if self.model.tokenizer.kind != TOKENIZER_OF[self.modality]:
            raise ValueError(f"model.tokenizer.kind is {self.model.tokenizer.kind}, not {TOKENIZER_OF[self.modality]}")
        if (self.model.positions == "centres") != (self.modality == "point"):
            raise ValueError("model.positions is `centres` for points and only for points")
        if self.train.parallel == "sharded" and self.train.ema_decay is not None:
            raise ValueError("train.ema_decay averages whole copies of the weights; train.parallel=sharded has none")
        if getattr(self.augment, "waveform", False) and not self.data.stream:
            raise ValueError("augment.waveform acts on recordings as they are read: it goes with data.stream=true")
        if self.modality == "video" and self.evaluate.segments * self.evaluate.crops > 1 and not self.data.stream:
            raise ValueError("several views of a video (evaluate.segments, evaluate.crops) need data.stream=true")
        if (self.masking is not None) != (self.objective == "masked_modeling"):
            raise ValueError("the `masking` section goes with objective `masked_modeling` and only with it")
        if self.masking is not None:
            home = MASKING_HOME.get(self.masking.kind, self.modality)
            if home != self.modality:
                raise ValueError(
                    f"masking.kind {self.masking.kind} is for {home}, the recipe's modality is {self.modality}"
                )
            if self.modality == "text" and self.masking.kind != "closers":
                raise ValueError(f"masking.kind is {self.masking.kind}, but text has `closers` alone")
        return self


def validated(tree: Mapping[str, Any], where: object = "recipe") -> Recipe:
    """A recipe from plain nested data.

    Raises
    ------
    InputError
        Listing every fault at once, one a value, unknown names with the nearest known one.
    """
    try:
        return Recipe.model_validate(tree)
    except ValidationError as error:
        faults = joined([_fault(tree, dict(detail)) for detail in error.errors()])
        if len(faults) == 1:
            raise InputError(*faults[0]) from None
        listed = "; ".join(f"({i}) {w}: expected {e}, found {f}" for i, (w, e, f, _) in enumerate(faults, 1))
        raise InputError(where, "valid values", f"{len(faults)} faults: {listed}", "mend each of them") from None


def _fault(tree: Mapping[str, Any], detail: dict[str, Any]) -> Fault:
    """One of pydantic's error entries, under the dotted name that the user wrote."""
    path = [part for part in detail["loc"] if not _is_union_tag(tree, detail["loc"], part)]
    where = ".".join(str(part) for part in path) or "recipe"
    if detail["type"] == "extra_forbidden":
        known = list(_known_names(tree, path[:-1]))
        near = get_close_matches(str(path[-1]), known, n=1, cutoff=0.4)
        todo = f"did you mean {'.'.join([*map(str, path[:-1]), near[0]])}?" if near else "remove it"
        return Fault(where, f"one of {', '.join(known)}", "an unknown name", todo)
    return fault_in_words(where, detail)


def _is_union_tag(tree: Mapping[str, Any], path: tuple[Any, ...], part: object) -> bool:
    """Whether `part` is pydantic's name of a union member rather than a name the user wrote."""
    node: Any = tree
    for step in path:
        inside = node.get(step) if isinstance(node, Mapping) else None
        unknown = inside is None and isinstance(node, Mapping) and step not in node
        if step == part and unknown:
            tags = {node.get("modality"), node.get("kind")}
            return step in tags or (isinstance(step, str) and ("[" in step or step in {"str", "literal"}))
        node = node if unknown else inside
    return isinstance(part, str) and ("[" in part or part in {"str", "tuple", "literal"})


def _known_names(tree: Mapping[str, Any], path: list[Any]) -> Iterator[str]:
    """The field names of the section at `path`."""
    section: Any = Recipe
    node: Any = tree
    for step in path:
        node = node.get(step, {}) if isinstance(node, Mapping) else {}
        field = section.model_fields.get(step)
        if field is None:
            return
        members = getattr(field.annotation, "__args__", None) or (field.annotation,)
        sections = [member for member in members if isinstance(member, type) and issubclass(member, BaseModel)]
        tag = node.get("modality", node.get("kind")) if isinstance(node, Mapping) else None
        section = next((s for s in sections if tag in {_tag(s, "modality"), _tag(s, "kind")}), sections[0])
    yield from (name for name in section.model_fields if name not in {"modality", "kind"} or section is Recipe)


def _tag(section: type[BaseModel], name: str) -> object:
    field = section.model_fields.get(name)
    return field.default if field is not None else None
