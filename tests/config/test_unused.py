"""A setting that nothing reads is refused where it is given, and only there."""

import pytest
from pydantic.fields import FieldInfo

from crosspath.config import Recipe, apply_overrides, recipe_from_text, recipe_to_text
from crosspath.config.kinds import mask_kinds, modality_names, uses_of_modalities
from crosspath.config.unused import USES, refuse_without_auxiliaries, settings_of_objective
from crosspath.config.use import setting_of
from crosspath.recipes import PRETRAINING, RECIPES, recipe_named
from tests.errors import refused


@pytest.mark.parametrize(
    ("name", "override", "beside"),
    [
        ("image/digits", "optimizer.trust=0.01", "optimizer.name=lars"),
        ("image/digits", "train.last_blocks=1", "train.scope=blocks"),
        ("image/digits", "evaluate.votes=10", "modality=point"),
        ("audio/sounds", "evaluate.crops=3", "modality=video"),
        ("point/furniture", "evaluate.votes=10", "objective=classification"),
        ("point/furniture", "model.head_batch_norm=true", "objective=classification"),
        ("image/shapes", "model.head_dropout=0.5", "objective=classification"),
        ("image/scenes", "model.head_hidden=[8]", "objective=classification"),
        ("image/digits", "data.target_mean=[0.5]", "objective=regression"),
        ("image/digits", "data.category_ids=[1, 2]", "objective=detection"),
        ("series/machines", "data.folder=mine", "data.dataset=folder"),
        ("image/cifar10", "data.folder=mine", "data.dataset=folder"),
        ("text/folder", "data.train_shards=a.tar", "data.dataset=shards"),
        ("video/folder", "data.slot=color", "data.dataset=grid"),
        ("video/folder", "data.frame_step=2", "data.sampling=dense"),
        ("point/furniture", "data.level=1", "data.dataset=partnet"),
        ("point/folder", "augment.resample=farthest", "data.stored_points"),
        ("text/sentences", "data.max_depth=3", "data.dataset=dyck"),
        ("series/folder", "data.file_rate_hz=100", "data.rate_hz"),
        ("series/folder", "data.id_column=who", "data.table"),
    ],
)
def test_what_nothing_reads_is_refused(name: str, override: str, beside: str) -> None:
    with refused(override.partition("=")[0], beside):
        apply_overrides(recipe_named(name), [override])


@pytest.mark.parametrize(
    ("name", "override", "beside"),
    [
        ("image/shapes", "augment.mixup=0.8", "objective=classification"),
        ("image/digits", "train.label_smoothing=0.2", "objective=classification"),
        ("image/digits", "model.fc_norm=true", "objective=classification"),
        ("text/sentences", "masking.decoder_width=32", "modality=text"),
        ("text/sentences", "masking.normalise_targets=false", "modality=text"),
        ("point/solids", "masking.normalise_targets=false", "modality=point"),
        ("audio/sounds", "masking.ratio=0.5 masking.kind=time_frequency", "masking.kind=time_frequency"),
    ],
)
def test_what_masked_modelling_does_not_read_is_refused(name: str, override: str, beside: str) -> None:
    with refused(override.partition("=")[0], beside):
        apply_overrides(recipe_named(name, "masked_modeling"), override.split())


def test_recordings_are_mixed_as_they_are_read_whatever_the_objective() -> None:
    settings = ("augment.waveform=true", "data.stream=true", "augment.mixup=10")
    assert apply_overrides(recipe_named("audio/sounds", "masked_modeling"), settings).augment.waveform  # type: ignore[attr-defined]


def test_what_is_off_anyway_is_no_fault() -> None:
    smooth = recipe_named("image/folder")
    assert smooth.train.label_smoothing
    assert not apply_overrides(smooth, ["objective=regression", "train.label_smoothing=0"]).train.label_smoothing
    assert not apply_overrides(recipe_named("image/scenes"), ["augment.mixup=0"]).augment.mixing.mixup


def test_beside_what_reads_it_a_setting_is_taken() -> None:
    recipe = apply_overrides(recipe_named("image/digits"), ["train.last_blocks=1", "train.scope=blocks"])
    assert recipe.train.last_blocks == 1
    recipe = apply_overrides(recipe_named("point/solids"), ["evaluate.votes=10", "model.head_hidden=[8]"])
    assert (recipe.evaluate.votes, recipe.model.head_hidden) == (10, (8,))


def test_the_value_that_a_recipe_has_anyway_is_no_fault() -> None:
    recipe = recipe_named("image/digits")
    assert apply_overrides(recipe, [f"train.last_blocks={recipe.train.last_blocks}"]) == recipe


def test_a_file_runs_again_whatever_it_holds() -> None:
    probe = apply_overrides(recipe_named("image/digits"), ["optimizer.name=lars", "optimizer.trust=0.01"])
    plain = apply_overrides(probe, ["optimizer.name=adamw"])
    assert recipe_from_text(recipe_to_text(plain), "recipe.yaml") == plain


def test_every_row_names_what_recipes_have() -> None:
    """A name that no recipe has would never be refused, and a value that none may have would refuse every recipe."""
    recipes = [make() for shipped in (RECIPES, PRETRAINING) for make in shipped.values()]
    for use in (*USES, *(use for modality in modality_names() for use in uses_of_modalities(modality))):
        for name in use.settings:
            assert any(_field(recipe, name) for recipe in recipes), name
        allowed = {*mask_kinds(), *(str(setting_of(recipe, use.beside)) for recipe in recipes)}
        annotations = {str(_field(recipe, use.beside)) for recipe in recipes}
        for value in (*use.values, *filter(None, use.never)):
            assert value in allowed or any(f"'{value}'" in annotation for annotation in annotations), value


def test_a_shipped_recipe_is_what_its_text_says() -> None:
    for shipped in (RECIPES, PRETRAINING):
        for name, make in shipped.items():
            assert recipe_from_text(recipe_to_text(make()), "recipe.yaml") == make(), name


def test_a_file_cannot_leave_the_labels_of_a_classifier_out() -> None:
    text = recipe_to_text(recipe_named("image/digits")).replace("unlabelled: false", "unlabelled: true")
    with refused("recipe", "data.unlabelled", "classification"):
        recipe_from_text(text, "recipe.yaml")
    with refused("recipe", "data.unlabelled", "classification"):
        apply_overrides(recipe_named("image/digits"), ["data.unlabelled=true"])


def _field(recipe: Recipe, name: str) -> FieldInfo | None:
    section, _, field = name.rpartition(".")
    owner = setting_of(recipe, section) if section else recipe
    return None if owner is None else type(owner).model_fields.get(field)


def test_settings_of_pathways_need_an_auxiliary() -> None:
    for setting in ("pathway.start=gentle", "optimizer.scale_lr=0.1", "optimizer.auxiliary_lr=0.1"):
        with refused(setting.partition("=")[0], "--auxiliary"):
            refuse_without_auxiliaries(["train.epochs=1", setting])
    refuse_without_auxiliaries(["train.epochs=1", "optimizer.lr=0.1"])


def test_what_took_the_place_of_a_setting_is_named_as_it_was_written() -> None:
    with refused("--start", "--auxiliary", "leave --start out"):
        refuse_without_auxiliaries(["train.epochs=1"], {"--fit": None, "--start": "gentle"})


def test_a_run_that_takes_no_auxiliary_is_not_told_to_name_one() -> None:
    with refused("pathway.start", "pretraining", "leave pathway.start out") as caught:
        refuse_without_auxiliaries(["pathway.start=gentle"], pretraining=True)
    assert "--auxiliary" not in str(caught.value)


def test_of_settings_for_several_objectives_each_takes_its_own() -> None:
    settings = ["evaluate.votes=10", "model.head_dropout=0.5", "train.epochs=1"]
    classifier, pretraining = recipe_named("point/solids"), recipe_named("point/solids", "masked_modeling")
    assert settings_of_objective(classifier, settings) == settings
    assert settings_of_objective(pretraining, settings) == ["train.epochs=1"]
