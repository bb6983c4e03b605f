"""What a study is: targets, auxiliaries, arms, seeds and the search of the learning rate, from one YAML file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, ValidationError

from crosspath.config.section import Section
from crosspath.config.wording import fault_in_words, joined
from crosspath.errors import InputError
from crosspath.pickles import refuse_pickle
from crosspath.study.arms import NONE, PATHWAY, RANDOM

SEARCH_SEEDS = 1000
"""Seeds of the search begin here, far from those whose results are reported."""
RATES = (0.5, 1.0, 2.0)
"""Of the recipe's own learning rate: what every arm tries when no rates are named."""


class Search(Section):
    """How each arm's learning rate is chosen: on the validation part, the same number of trials for every arm."""

    rates: tuple[PositiveFloat, ...] = ()
    """Half, once and twice the recipe's own when none is named; a single one is used without a search."""
    seeds: PositiveInt = 1
    """Trials of each rate; their mean decides."""


class TargetSection(Section):
    """One target of a study."""

    from_: Annotated[Path | None, Field(alias="from")] = None
    """The checkpoint its weights start from."""
    labels: tuple[PositiveInt | None, ...] = (None,)
    """Labels a class; each number is a comparison of its own. All there are where null."""
    settings: tuple[str, ...] = ()
    """`section.field=value`, as with `--set`."""
    rates: tuple[PositiveFloat, ...] = ()
    """Instead of those of `search`."""
    auxiliaries: tuple[str, ...] | None = None
    """Names from the study's `auxiliaries`; all those of other modalities when not given."""
    controls: str | None = None
    """The auxiliary whose direction the study's `controls` are carried out for; none of them when not given."""


class Study(Section):
    """Targets x auxiliaries x arms x seeds.

    Raises `pydantic.ValidationError` on construction; `read_study` turns that into one `InputError`.
    """

    name: str = "study"
    targets: Mapping[str, TargetSection]
    """{recipe: how it is trained}."""
    auxiliaries: Mapping[str, str] = {}
    """{name: checkpoint, `timm:NAME` or `hf:OWNER/NAME`}."""
    arms: tuple[str, ...] = (NONE.name, PATHWAY.name, RANDOM.name)
    controls: tuple[str, ...] = ()
    """Further arms, for one direction a target: the one that the target's `controls` names."""
    seeds: PositiveInt | tuple[NonNegativeInt, ...] = 5
    """How many, from 0 on; or which."""
    part: Literal["test", "validation"] = "test"
    """What the reported seeds are read on. `validation` is for finding settings: no run then reads the test part."""
    search: Search = Field(default_factory=Search)
    settings: tuple[str, ...] = ()
    """`section.field=value` for every target and arm, before a target's own."""
    variants: Mapping[str, tuple[str, ...]] = {"": ()}
    """{name: further settings}: each variant is a comparison of its own. Where it sets only what pathways have, all
    variants share the arms without one."""

    @property
    def seed_list(self) -> tuple[int, ...]:
        """The seeds whose results are reported."""
        return tuple(range(self.seeds)) if isinstance(self.seeds, int) else self.seeds


def read_study(path: Path) -> Study:
    """A study from a YAML file; checkpoints in it are relative to the file.

    Raises
    ------
    InputError
        For a missing or faulty file, naming each fault.
    """
    try:
        tree: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(path, "a study file", error.strerror or "none", "check the path") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        refuse_pickle(path)
        mark = getattr(error, "problem_mark", None)
        row = f" row {mark.line + 1}" if mark is not None else ""
        raise InputError(f"{path}{row}", "YAML", "text that is not", "correct it") from None
    if not isinstance(tree, dict):
        refuse_pickle(path)
        raise InputError(path, "a study's sections", type(tree).__name__, "write it as name: value")
    try:
        study = Study.model_validate(tree)
    except ValidationError as error:
        faults = [fault_in_words(".".join(map(str, detail["loc"])), dict(detail)) for detail in error.errors()]
        listed = "; ".join(
            f"{where}: expected {expected}, found {found}" for where, expected, found, _ in joined(faults)
        )
        raise InputError(path, "a study", listed, "mend it") from None
    here = path.parent
    targets = {
        name: target if target.from_ is None else target.model_copy(update={"from_": here / target.from_})
        for name, target in study.targets.items()
    }
    auxiliaries = {
        name: given if given.startswith(("timm:", "hf:")) else str(here / given)
        for name, given in study.auxiliaries.items()
    }
    return study.model_copy(update={"targets": targets, "auxiliaries": auxiliaries})
