"""Settings that only some recipes read. Given to any other they are refused, since nothing would change.

Only what a user gives is looked at: a recipe's file holds every setting, and runs again as it stands.
"""

from collections.abc import Iterable, Mapping

from crosspath.config.kinds import uses_of_modalities
from crosspath.config.recipe import Recipe
from crosspath.config.use import Use, setting_of
from crosspath.errors import InputError

ONE_OUTPUT = ("classification", "regression")
USES = (
    Use(("optimizer.momentum", "optimizer.trust"), "optimizer.name", ("lars",)),
    Use(("optimizer.betas", "optimizer.eps"), "optimizer.name", ("adamw",)),
    Use(("train.last_blocks",), "train.scope", ("blocks",)),
    Use(("evaluate.segments", "evaluate.crops", "evaluate.votes"), "objective", ONE_OUTPUT),
    Use(("model.head_hidden", "model.head_dropout"), "objective", (*ONE_OUTPUT, "part_segmentation")),
    Use(("model.head_init_std", "model.head_batch_norm"), "objective", ONE_OUTPUT),
    Use(("data.target_mean", "data.target_std"), "objective", ("regression",)),
    Use(("data.ignored_values",), "objective", ("segmentation",)),
    Use(("data.category_ids",), "objective", ("detection",)),
    # `Recipe` refuses this one in files as well; here for `settings_of_objective`.
    Use(("data.unlabelled",), "objective", ("masked_modeling",)),
    Use(("data.folder",), "data.dataset", ("folder", "shards")),
    Use(("data.train_shards", "data.validation_shards", "data.test_shards"), "data.dataset", ("shards",)),
    Use(("train.label_smoothing",), "objective", ("classification",)),
    Use(("augment.mixup", "augment.cutmix"), "objective", ONE_OUTPUT, unless="augment.waveform"),
    Use(("model.fc_norm",), "objective", ONE_OUTPUT),
    Use(("masking.time_ratio", "masking.mel_ratio"), "masking.kind", ("time_frequency",)),
    Use(("masking.ratio",), "masking.kind", never=("time_frequency",)),
    Use(("segmentation.decoder_width", "segmentation.auxiliary_weight"), "segmentation.decoder", ("upernet",)),
)
"""Where a setting stands in two rows, both must hold. Each modality's `Sections` say more."""
OF_AUXILIARIES = ("pathway.", "optimizer.scale_lr", "optimizer.auxiliary_lr")
"""What begins so is read where a run has auxiliaries."""


def refuse_unused(recipe: Recipe, names: Iterable[str]) -> None:
    """Raise `InputError` for the first of `names` (`section.field`) that this recipe does not read."""
    uses = (*USES, *uses_of_modalities(recipe.modality))
    for name in names:
        for use in uses:
            if name in use.settings and not use.reads(recipe) and not _is_default(recipe, name):
                value = setting_of(recipe, use.beside)
                expected = f"a {use.beside} that reads it"
                if use.values:
                    expected = f"{use.beside}={' or '.join(use.values)}, which alone reads it"
                elif value is None:
                    expected = f"{use.beside} beside it"
                found = "none" if value is None else f"{use.beside}={value}"
                raise InputError(name, expected, found, f"leave {name} out")


def settings_of_objective(recipe: Recipe, settings: Iterable[str]) -> list[str]:
    """Of settings (`section.field=value`) for runs of several objectives, those that this recipe's objective reads."""
    others = {
        name
        for use in USES
        if use.beside == "objective" and recipe.objective not in use.values
        for name in use.settings
    }
    return [setting for setting in settings if _name_of(setting) not in others]


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
        raise InputError(name, "an auxiliary to go with it", found, todo)


def _is_default(recipe: Recipe, name: str) -> bool:
    """Whether a setting has the value that it has where nobody gives one: this asks for nothing."""
    section, _, field = name.rpartition(".")
    default = type(setting_of(recipe, section)).model_fields[field].get_default(call_default_factory=True)
    return bool(setting_of(recipe, name) == default)


def _name_of(setting: str) -> str:
    return setting.partition("=")[0].strip()
