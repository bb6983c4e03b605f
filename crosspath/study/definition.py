"""The definition of a study: targets, auxiliaries, arms, seeds and learning-rate search, from one YAML file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from crosspath.checkpoints.sources import is_on_hub
from crosspath.config.faults import merge_faults, to_fault
from crosspath.config.section import FolderName, Section
from crosspath.config.training import Seed
from crosspath.config.yaml_text import parse_yaml
from crosspath.errors import InputError
from crosspath.pathway.arguments import NAME_IN_WORDS, is_name
from crosspath.pickles import refuse_pickle, require_file
from crosspath.study.arms import NONE, PATHWAY, RANDOM
from crosspath.study.grid import Grid, first_rates

SEARCH_SEEDS = 1000
"""The first seed of the search, far from the seeds of the reported runs."""
SEARCH_TRIALS = 3
"""The default number of trials of each rate."""

WIDENINGS = 6
"""The default number of rates that may follow the first three."""


def _check_auxiliary_name(name: str) -> str:
    if not is_name(name):
        raise PydanticCustomError("auxiliary_name", NAME_IN_WORDS)  # type: ignore[arg-type]
    return name


AuxiliaryName = Annotated[FolderName, AfterValidator(_check_auxiliary_name)]
"""A name of folders that `connect` takes too: else the first run with a pathway would be refused."""


class Search(Section):
    """The search of each arm's learning rate: on the validation part, by the same rule for every arm.

    It begins with three rates: `around`, and that divided and multiplied by `factor`. While the best rate of an arm is
    the lowest or the highest of those tried, the next one beyond it is tried too, `widenings` times at most. An arm
    whose best rate is at the edge even then is unsettled, and gets no verdict.
    """

    around: PositiveFloat | None = None
    """The middle of the first three rates; default: the recipe's own."""
    factor: Annotated[float, Field(ge=1.1, le=100)] = 2.0
    """The ratio of neighbouring rates."""
    widenings: NonNegativeInt = WIDENINGS
    """Further rates of an arm in each round, at most."""
    halving: Annotated[int, Field(ge=0, le=4)] = 0
    """Shorter rounds first, for large grids: each trains a third as long as the next, and the better half of its rates,
    three at least, goes on. The last round trains as long as the reported runs, and decides."""
    weight_decay: tuple[Annotated[float, Field(ge=0)], ...] = ()
    """Weight decays that each arm tries at its best rate alone, as multiples of the recipe's own, such as
    `[0, 0.5, 1, 2]`; while the largest is the best, twice as much follows. Default: the recipe's own."""
    rates: tuple[PositiveFloat, ...] = ()
    """A list of rates instead, which is not widened. A single one is used without a search."""
    seeds: PositiveInt | None = None
    """Trials of each rate; the best mean wins. Default: 3, and 1 where `rates` is a list."""

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, values: object) -> object:
        """A list has one trial a rate by default; a study of an earlier version, which had a list or half, once and
        twice the recipe's own rate, keeps them."""
        if not isinstance(values, Mapping):
            return values
        if "rates" in values and not values["rates"] and "widenings" not in values:
            return {"widenings": 0, "seeds": 1, **values}
        return {"seeds": 1, **values} if values.get("rates") else values

    @model_validator(mode="after")
    def _check_rates(self) -> Self:
        _refuse_both(self)
        if self.rates and (self.factor != 2.0 or self.widenings not in (0, WIDENINGS)):
            raise PydanticCustomError("rates", "either rates, which are not widened, or factor and widenings")
        return self


def _refuse_both(section: "Search | TargetSection") -> None:
    if section.rates and section.around is not None:
        raise PydanticCustomError("rates", "either rates or around")


class TargetSection(Section):
    """One target of a study."""

    from_: Annotated[Path | None, Field(alias="from")] = None
    """The checkpoint of its starting weights."""
    pretrained: Path | None = None
    """The checkpoint that the arm `masked-modelling` starts from: masked modelling of the target's own data."""
    labels: tuple[PositiveInt | None, ...] = (None,)
    """Labels per class; each number is a separate comparison. null means all labels."""
    settings: tuple[str, ...] = ()
    """`section.field=value`, as for `--set`."""
    rates: tuple[PositiveFloat, ...] = ()
    """A list of rates for this target, instead of what `search` states."""
    around: PositiveFloat | None = None
    """Replaces that of `search`."""
    spread: PositiveFloat | None = None
    """Replaces that of `power`."""
    auxiliaries: tuple[str, ...] | None = None
    """Names from the study's `auxiliaries`; default: all of other modalities."""
    controls: str | None = None
    """The auxiliary for which the study's `controls` are run; default: no controls."""

    @field_validator("labels", "auxiliaries")
    @classmethod
    def _check_each_once(cls, values: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
        if values is not None and len(set(values)) < len(values):
            raise PydanticCustomError("each_once", "each once")
        return values

    @model_validator(mode="after")
    def _check_rates(self) -> Self:
        _refuse_both(self)
        return self

    @property
    def checkpoints(self) -> dict[str, Path]:
        """{field: checkpoint} of those that it names."""
        paths = {"from_": self.from_, "pretrained": self.pretrained}
        return {field: path for field, path in paths.items() if path is not None}


class Power(Section):
    """What a study could show, computed before a reported run ends and printed beside its result."""

    spread: PositiveFloat | None = None
    """The standard deviation over seeds that is expected of a paired difference, in the unit of the metric (0.02 is two
    points of accuracy). Default: that of the search, on the validation part."""


class Study(Section):
    """Targets x auxiliaries x arms x seeds.

    Raises `pydantic.ValidationError` on construction; `study_from` raises one `InputError` instead.
    """

    name: FolderName = "study"
    about: str = ""
    """What its reader should know, for the report."""
    targets: Annotated[Mapping[str, TargetSection], Field(min_length=1)]
    """{recipe: its section}."""
    auxiliaries: Mapping[AuxiliaryName, str] = {}
    """{name: checkpoint, `timm:NAME` or `hf:OWNER/NAME`}."""
    arms: tuple[str, ...] = (NONE.name, PATHWAY.name, RANDOM.name)
    controls: tuple[str, ...] = ()
    """Further arms, for one auxiliary per target: the one named by the target's `controls`."""
    seeds: PositiveInt | tuple[Seed, ...] = 5
    """Their number, counted from 0, or a list of them."""
    part: Literal["test", "validation"] = "test"
    """The part that is reported. `validation` is for choosing settings: no run then reads the test part."""
    search: Search = Field(default_factory=Search)
    power: Power = Field(default_factory=Power)
    settings: tuple[str, ...] = ()
    """`section.field=value` for every target and arm; a target's own settings override them."""
    variants: Annotated[Mapping[Literal[""] | FolderName, tuple[str, ...]], Field(min_length=1)] = {"": ()}
    """{name: further settings}: each variant is a separate comparison. Variants that only set pathway options share the
    arms without a pathway."""

    def grid_of(self, target: TargetSection, own: float) -> Grid:
        """The search of a target whose recipe has the rate `own`."""
        search = self.search
        decays = tuple(sorted({1.0, *search.weight_decay})) if search.weight_decay else ()
        rates = target.rates or (() if target.around is not None else search.rates)
        middle = target.around or search.around or own
        return Grid(
            rates=rates or first_rates(middle, search.factor),
            seeds=search.seeds or (1 if rates else SEARCH_TRIALS),
            middle=None if rates or search.widenings == 0 else middle,
            factor=search.factor,
            widenings=search.widenings,
            halving=search.halving,
            weight_decays=decays,
        )

    @field_validator("seeds")
    @classmethod
    def _check_seeds(cls, seeds: int | tuple[int, ...]) -> int | tuple[int, ...]:
        if isinstance(seeds, tuple) and (not seeds or len(set(seeds)) < len(seeds)):
            raise PydanticCustomError("seeds", "one seed or more, each once")
        return seeds

    @property
    def seed_list(self) -> tuple[int, ...]:
        """The seeds of the reported runs."""
        return tuple(range(self.seeds)) if isinstance(self.seeds, int) else self.seeds

    @property
    def settings_by_scope(self) -> dict[str, tuple[str, ...]]:
        """{what they apply to: `section.field=value`, ...} for all settings in which runs differ from the recipes."""
        scopes = {"every target": self.settings}
        scopes |= {name: target.settings for name, target in self.targets.items()}
        if len(self.targets) == 1:
            scopes = {"every arm": tuple(setting for settings in scopes.values() for setting in settings)}
        scopes |= {f"variant {name}": settings for name, settings in self.variants.items() if name}
        return {scope: settings for scope, settings in scopes.items() if settings}


def study_from(tree: Mapping[str, Any], where: object) -> Study:
    """A study from plain nested data. Raises `InputError` at `where`, naming each fault."""
    try:
        return Study.model_validate(tree)
    except ValidationError as error:
        faults = [to_fault(".".join(map(str, detail["loc"])), dict(detail)) for detail in error.errors()]
        message = "; ".join(
            f"{name}: expected {expected}, found {found}" for name, expected, found, _ in merge_faults(faults)
        )
        raise InputError(where, "a valid study", message, "correct it") from None


def read_study(path: Path) -> Study:
    """Read a study from a YAML file. Paths of checkpoints in it are relative to the file.

    Raises
    ------
    InputError
        For a missing or invalid file, naming each fault.
    """
    require_file(path, "a study file")
    try:
        tree = parse_yaml(path.read_text(encoding="utf-8"), path)
    except OSError as error:
        raise InputError(path, "a study file", error.strerror or "none", "check the path") from None
    except UnicodeDecodeError:
        refuse_pickle(path)
        raise InputError(path, "YAML in UTF-8", "other bytes", "name a study file") from None
    except InputError:
        refuse_pickle(path)
        raise
    if not isinstance(tree, dict):
        refuse_pickle(path)
        raise InputError(path, "a study's sections", type(tree).__name__, "write it as name: value")
    study = study_from(tree, path)
    here = path.parent
    targets = {
        name: target.model_copy(update={field: here / path for field, path in target.checkpoints.items()})
        for name, target in study.targets.items()
    }
    auxiliaries = {
        name: source if is_on_hub(source) else str(here / source) for name, source in study.auxiliaries.items()
    }
    return study.model_copy(update={"targets": targets, "auxiliaries": auxiliaries})
