"""A recipe: the complete, typed description of a run."""

import warnings
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, BeforeValidator, Field, ValidationError, model_validator

from crosspath.config.augment import Augment
from crosspath.config.data import Data
from crosspath.config.faults import Fault, merge_faults, to_fault
from crosspath.config.kinds import check_modality, modality_names, sections_of
from crosspath.config.labels import fill_label_kind
from crosspath.config.model import ModelSection
from crosspath.config.pathway import PathwaySection
from crosspath.config.section import FolderName, Section
from crosspath.config.starts import fill_optimizer
from crosspath.config.training import (
    DetectionSection,
    EvaluateSection,
    MaskingSection,
    OptimizerSection,
    ScheduleSection,
    SegmentationSection,
    TrainSection,
)
from crosspath.errors import InputError

SECTION_OBJECTIVES = {"masking": "masked_modeling", "detection": "detection", "segmentation": "segmentation"}
"""{a section that only one objective has: that objective}."""


class Recipe(Section):
    """Everything a run needs but its data and its checkpoints.

    Raises `pydantic.ValidationError` on construction; `validate` turns it into one `InputError`.
    """

    name: FolderName
    """Such as `image/cifar10`; a run's folder is named after it."""
    objective: Literal[
        "classification", "masked_modeling", "regression", "segmentation", "part_segmentation", "detection"
    ] = "classification"
    modality: Annotated[str, BeforeValidator(check_modality)]
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
    detection: DetectionSection | None = None
    """Of `detection`, and only there."""
    segmentation: SegmentationSection | None = None
    """Of `segmentation`, and only there."""

    @property
    def data_origin(self) -> str:
        """The modality of the data; `procedural` if a rule generated them (comparisons treat those as no modality)."""
        return "procedural" if self.data.procedural else self.modality

    @property
    def stems_from(self) -> str:
        """Deprecated name of `data_origin`."""
        warnings.warn("Recipe.stems_from is now Recipe.data_origin", DeprecationWarning, stacklevel=2)
        return self.data_origin

    @model_validator(mode="before")
    @classmethod
    def _fill_sections(cls, tree: Any) -> Any:
        return fill_label_kind(fill_optimizer(tree))

    @model_validator(mode="after")
    def _sections_agree(self) -> Self:
        sections = sections_of(self.modality)
        for name, modality in (("data", self.data.modality), ("augment", self.augment.modality)):
            if modality != self.modality:
                raise ValueError(f"{name}.modality is {modality}, but the recipe's modality is {self.modality}")
        if self.model.tokenizer.kind != sections.tokenizer_kind:
            raise ValueError(f"model.tokenizer.kind is {self.model.tokenizer.kind}, not {sections.tokenizer_kind}")
        if self.model.positions not in sections.positions:
            choices = " or ".join(sections.positions)
            raise ValueError(f"model.positions is {self.model.positions}, and {self.modality} has {choices}")
        if self.train.parallel == "sharded" and self.train.ema_decay is not None:
            raise ValueError("train.ema_decay averages whole copies of the weights; train.parallel=sharded has none")
        for section, objective in SECTION_OBJECTIVES.items():
            if (getattr(self, section) is not None) != (self.objective == objective):
                raise ValueError(f"the `{section}` section goes with objective `{objective}` and only with it")
        if self.data.unlabelled and self.objective != "masked_modeling":
            raise ValueError(f"data.unlabelled=true beside objective `{self.objective}`, which needs labels")
        if self.data.multi_label and not self.data.several_labels:
            raise ValueError(f"data.multi_label=true is for classes of samples, not for objective `{self.objective}`")
        if self.train.regression_loss != "mse" and self.data.label_kind != "numbers":
            raise ValueError("train.regression_loss goes with objective=regression")
        if self.data.label_columns and not (self.data.several_labels or self.data.label_kind == "numbers"):
            raise ValueError("data.label_columns goes with objective=regression or data.multi_label=true")
        if self.train.label_smoothing and self.data.label_kind != "classes":
            raise ValueError(f"train.label_smoothing means nothing for objective `{self.objective}`: leave it at 0")
        if self.masking is not None and self.masking.kind not in sections.masks:
            choices = " or ".join(sections.masks)
            raise ValueError(f"masking.kind is {self.masking.kind}, and {self.modality} has {choices}")
        sections.rules(self)
        return self


def validate(tree: Mapping[str, Any], where: object = "recipe") -> Recipe:
    """A recipe from plain nested data.

    Raises
    ------
    InputError
        Lists all faults at once, one per value; unknown names come with the closest valid one.
    """
    try:
        return Recipe.model_validate(tree)
    except ValidationError as error:
        faults = merge_faults([_fault(tree, dict(detail)) for detail in error.errors()])
        # Without its modality no other section of the recipe can be checked.
        faults = [fault for fault in faults if fault.where == "modality"] or faults
        if len(faults) == 1:
            raise InputError(*faults[0]) from None
        summary = "; ".join(f"({i}) {w}: expected {e}, found {f}" for i, (w, e, f, _) in enumerate(faults, 1))
        raise InputError(where, "valid values", f"{len(faults)} faults: {summary}", "correct each of them") from None


def _fault(tree: Mapping[str, Any], detail: dict[str, Any]) -> Fault:
    """One of pydantic's error entries, under the dotted name that the user wrote."""
    path = [part for part in detail["loc"] if not _is_union_tag(tree, detail["loc"], part)]
    where = ".".join(str(part) for part in path) or "recipe"
    if detail["type"] == "extra_forbidden":
        names = _field_names(tree, path[:-1])
        near = get_close_matches(str(path[-1]), names, n=1, cutoff=0.4)
        todo = f"did you mean {'.'.join([*map(str, path[:-1]), near[0]])}?" if near else "remove it"
        return Fault(where, f"one of {', '.join(names)}", "an unknown name", todo)
    return to_fault(where, detail)


def _is_union_tag(tree: Mapping[str, Any], path: tuple[Any, ...], part: object) -> bool:
    """Whether `part` is pydantic's name of a union member rather than a name the user wrote."""
    node: Any = tree
    for step in path:
        inside = node.get(step) if isinstance(node, Mapping) else None
        is_missing = inside is None and isinstance(node, Mapping) and step not in node
        if step == part and is_missing:
            return isinstance(step, str) and ("[" in step or step in {"str", "literal"})
        node = node if is_missing else inside
    return isinstance(part, str) and ("[" in part or part in {"str", "tuple", "literal"})


def _field_names(tree: Mapping[str, Any], path: list[Any]) -> list[str]:
    """The names that the section at `path` may hold; a section's own tag is not the user's to change."""
    section: type[BaseModel] = Recipe
    sections: list[type[BaseModel]] = [Recipe]
    node: Any = tree
    for name in path:
        node = node.get(name, {}) if isinstance(node, Mapping) else {}
        # A name that is no field is a key of a mapping of sections.
        fields = [kind.model_fields[name] for kind in sections if name in kind.model_fields]
        sections = [kind for field in fields for kind in _sections_in(field.annotation)] or sections
        section = _section_type(node, sections, str(name))
    return [name for name in section.model_fields if name not in {"modality", "kind"} or section is Recipe]


def _section_type(node: Any, sections: list[type[BaseModel]], name: str) -> type[BaseModel]:
    """The class of a section: for those of a modality, as its tag says; of several, the one with most of its names."""
    keys = node.keys() if isinstance(node, Mapping) else set()
    tag = node.get("modality", node.get("kind")) if isinstance(node, Mapping) else None
    for modality in modality_names():
        own = sections_of(modality)
        if (name, tag) in (("data", modality), ("augment", modality), ("tokenizer", own.tokenizer_kind)):
            kind: type[BaseModel] = getattr(own, name)
            return kind
    return max(sections, key=lambda section: len(keys & section.model_fields.keys()))


def _sections_in(annotation: Any) -> list[type[BaseModel]]:
    """The sections that a field's type allows, also inside unions and mappings."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [section for part in get_args(annotation) for section in _sections_in(part)]
