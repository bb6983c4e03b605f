"""Settings that only some recipes read. Given to any other they are refused, since nothing would change.

Only what a user gives is looked at: a recipe's file holds every setting, and runs again as it stands.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from crosspath.config.recipe import Recipe
from crosspath.errors import InputError


class Use(NamedTuple):
    """Settings, and the setting that has to have one of some values for them to be read."""

    settings: tuple[str, ...]
    beside: str
    values: tuple[str, ...]


ONE_OUTPUT = ("classification", "regression")
USES = (
    Use(("optimizer.momentum", "optimizer.trust"), "optimizer.name", ("lars",)),
    Use(("optimizer.betas", "optimizer.eps"), "optimizer.name", ("adamw",)),
    Use(("train.last_blocks",), "train.scope", ("blocks",)),
    Use(("evaluate.segments", "evaluate.crops"), "modality", ("video",)),
    Use(("evaluate.votes",), "modality", ("point",)),
    Use(("evaluate.segments", "evaluate.crops", "evaluate.votes"), "objective", ONE_OUTPUT),
    Use(("model.head_hidden", "model.head_dropout"), "objective", (*ONE_OUTPUT, "part_segmentation")),
    Use(("model.head_init_std", "model.head_batch_norm"), "objective", ONE_OUTPUT),
    Use(("data.target_mean", "data.target_std"), "objective", ("regression",)),
    Use(("data.ignored_values",), "objective", ("segmentation",)),
    Use(("data.category_ids",), "objective", ("detection",)),
    Use(("masking.time_ratio", "masking.mel_ratio"), "masking.kind", ("time_frequency",)),
    Use(("segmentation.decoder_width", "segmentation.auxiliary_weight"), "segmentation.decoder", ("upernet",)),
)
"""Where a setting stands in two rows, both must hold."""
OF_AUXILIARIES = ("pathway.", "optimizer.scale_lr", "optimizer.auxiliary_lr")
"""What begins so is read where a run has auxiliaries."""


def refuse_unused(recipe: Recipe, names: Iterable[str]) -> None:
    """Raise `InputError` for the first of `names` (`section.field`) that this recipe does not read."""
    for name in names:
        for use in USES:
            if name in use.settings and (value := setting_of(recipe, use.beside)) not in use.values:
                expected = f"{use.beside}={' or '.join(use.values)}, which alone reads it"
                raise InputError(name, expected, f"{use.beside}={value}", f"leave {name} out")


def settings_of_objective(recipe: Recipe, settings: Iterable[str]) -> list[str]:
    """Of settings (`section.field=value`) for runs of several objectives, those that this recipe's objective reads."""
    unread = {
        name
        for use in USES
        if use.beside == "objective" and recipe.objective not in use.values
        for name in use.settings
    }
    return [setting for setting in settings if _name_of(setting) not in unread]


def refuse_without_auxiliaries(
    settings: Iterable[str], options: Mapping[str, object] | None = None, *, pretraining: bool = False
) -> None:
    """Raise `InputError` for the first of `settings` (`section.field=value`) that is read only where a run has
    auxiliaries, or of the `options` that stand for such settings ({as the user writes it: value}, None where it was not
    given). Pretraining has no auxiliaries.
    """
    given = [name for name, value in (options or {}).items() if value is not None]
    for name in (*given, *(name for name in map(_name_of, settings) if name.startswith(OF_AUXILIARIES))):
        found, todo = "pretraining, which takes none", f"leave {name} out"
        if not pretraining:
            found, todo = "none", f"name one with --auxiliary NAME=RUN (auxiliaries= in Python), or {todo}"
        raise InputError(name, "an auxiliary beside it", found, todo)


def setting_of(recipe: Recipe, name: str) -> Any:
    """The value at `section.field`; None where the recipe lacks the section or the field."""
    value: Any = recipe
    for part in name.split("."):
        value = getattr(value, part, None)
    return value


def _name_of(setting: str) -> str:
    return setting.partition("=")[0].strip()
