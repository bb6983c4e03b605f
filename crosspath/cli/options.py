"""Options that several verbs share, with their help texts, and the conversion of their values."""

from collections.abc import Container, Iterable, Mapping
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from crosspath.errors import InputError
from crosspath.starts import SETTING, start_named

if TYPE_CHECKING:
    from crosspath.config import Recipe as RecipeSections

ROOT_HELP = "Folder with one sub-folder per data set; default: `CROSSPATH_DATA`, else the user's data folder."
DataRoot = Annotated[Path | None, Parameter(name="--data", help=ROOT_HELP)]
Data = Annotated[
    Path | None,
    Parameter(name="--data", help=f"{ROOT_HELP} For a `*/folder` recipe: the folder of your own data."),
]
Json = Annotated[
    bool, Parameter(name="--json", negative="", show_default=False, help="Print one JSON object on stdout.")
]
Overrides = Annotated[tuple[str, ...], Parameter(name="--set", negative="", show_default=False)]
Settings = Annotated[
    Overrides,
    Parameter(
        help="Override a setting of the recipe: `section.field=value`, such as `train.epochs=20`. Repeatable. "
        "`crosspath train RECIPE --dry-run` lists all settings."
    ),
]
Auxiliaries = Annotated[
    tuple[str, ...],
    Parameter(
        name="--auxiliary",
        negative="",
        show_default=False,
        help="`NAME=CHECKPOINT`, `NAME=timm:MODEL` or `NAME=hf:OWNER/MODEL`. Repeatable.",
    ),
]
Blocks = Annotated[
    str | None,
    Parameter(
        name="--blocks",
        show_default=False,
        help="Which blocks pair: `same`, `reversed`, `spread` (by relative depth), `repeat`, or `{0: 0, 1: 2}`. Short "
        "for `--set pathway.blocks=`.",
    ),
]
Fit = Annotated[
    str | None,
    Parameter(
        name="--fit",
        show_default=False,
        help="How an auxiliary of another depth, width, head count or mlp is brought to the target's shape: `slice`, "
        "`average`, `spectra` or `learned`. Short for `--set pathway.fit=`.",
    ),
]
Start = Annotated[
    str | None,
    Parameter(
        name="--start",
        show_default=False,
        help="How the pathway starts: `paper` (λ from 0), `whole-body`, `frozen-anchor` (both for a target from "
        "scratch with few labels) or `gentle` (for a pretrained one). Short for `--set pathway.start=`.",
    ),
]
Epochs = Annotated[int | None, Parameter(name="--epochs", show_default=False, help="Short for `--set train.epochs=`.")]
Rate = Annotated[float | None, Parameter(name="--lr", show_default=False, help="Short for `--set optimizer.lr=`.")]
BatchSize = Annotated[
    int | None, Parameter(name="--batch-size", show_default=False, help="Short for `--set train.batch_size=`.")
]
Labels = Annotated[
    int | None,
    Parameter(
        name="--labels",
        show_default=False,
        help="Number of labelled samples of each class to train with. Short for `--set data.labels_per_class=`.",
    ),
]
MovedAuxiliaries = Annotated[
    tuple[str, ...],
    Parameter(
        name="--auxiliary",
        negative="",
        show_default=False,
        help="`NAME=CHECKPOINT`: the new location of a frozen auxiliary that has moved. Repeatable.",
    ),
]
Recipe = Annotated[
    str | None, Parameter(name="--recipe", help="The recipe of a checkpoint that was saved without one.")
]
Flag = Annotated[bool, Parameter(negative="", show_default=False)]


def named_pairs(values: Iterable[str], option: str) -> dict[str, str]:
    """{name: value} of `NAME=VALUE` options. Raises `InputError` for one without `=`, or a repeated name."""
    pairs: dict[str, str] = {}
    for value in values:
        name, equals, rest = value.partition("=")
        if not equals or not name or not rest:
            raise InputError(
                option, "NAME=CHECKPOINT", repr(value), f"write it as {option} audio={value or 'runs/esc10'}"
            )
        if name in pairs:
            raise InputError(f"{option} {name}", "each name once", "it twice", "rename one of them")
        pairs[name] = rest
    return pairs


def data_and_settings(
    data: Path | None = None, settings: Iterable[str] = (), *, sections: Container[str] | None = None
) -> tuple[str, ...]:
    """`--data` and `--set` as they were given, for the command that comes next; the settings of some sections only."""
    texts = [text for text in settings if sections is None or text.partition(".")[0].strip() in sections]
    return (*(("--data", str(data)) if data else ()), *(word for text in texts for word in ("--set", text)))


def recipe_of(option: str | None) -> "RecipeSections | None":
    """The recipe that `--recipe` names; None without the option."""
    from crosspath.recipes import recipe_named

    return None if option is None else recipe_named(option)


def with_short(settings: tuple[str, ...], short: Mapping[str, object]) -> tuple[str, ...]:
    """The settings, and those that have an option of their own ({setting: value}, None where it was not given).

    Raises `InputError` for one that is given in both ways.
    """
    _require_each_once(settings, short)
    return (*settings, *(f"{name}={value!r}" for name, value in short.items() if value is not None))


def _require_each_once(settings: tuple[str, ...], short: Mapping[str, object]) -> None:
    names = {setting.partition("=")[0].strip() for setting in settings}
    for name, value in short.items():
        if value is not None and name in names:
            found = f"--set {name}= and its short form with {value}"
            raise InputError(name, "one value", found, "leave one of them out")


def with_blocks(
    settings: tuple[str, ...], blocks: str | None, start: str | None = None, fit: str | None = None
) -> tuple[str, ...]:
    """The settings, and those of `--start`, `--fit` and `--blocks` after them; `{0:0,1:2}` is read without YAML's
    blanks too. Raises `InputError` for one that is given in both ways.
    """
    _require_each_once(settings, {"pathway.blocks": blocks, "pathway.fit": fit, SETTING: start})
    if fit is not None:
        settings = (*settings, f"pathway.fit={fit}")
    if start is not None:
        settings = (*settings, f"{SETTING}={start_named(start, '--start').name}")
    return settings if blocks is None else (*settings, "pathway.blocks=" + blocks.replace(":", ": "))


def positive_numbers(text: str | None, option: str) -> tuple[float, ...]:
    """The numbers of a list with commas; empty for None. Raises `InputError` for anything else."""
    try:
        numbers = tuple(float(part) for part in (text or "").split(",") if part.strip())
    except ValueError:
        numbers = (-1.0,)
    if not all(0 < number < inf for number in numbers):
        raise InputError(option, "positive numbers separated by commas", repr(text), "write them as 3e-4,1e-3")
    return numbers
