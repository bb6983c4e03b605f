"""The model card: front matter that the hub reads, and in plain words what a reader must know."""

from dataclasses import replace
from typing import Any

from huggingface_hub import ModelCard

from crosspath.checkpoints.sharing.card import model_card, strip_recipe_paths
from crosspath.models.about import About
from crosspath.recipes import recipe_named
from tests.checkpoints.small import image_recipe

SHA = "ab" * 32
ABOUT = About(
    recipe=image_recipe(),
    classes=("cat", "dog"),
    auxiliaries={"audio": {"origin": "/home/me/runs/esc50", "sha256": SHA, "recipe": "audio/esc50"}},
)
RECEIPT: dict[str, Any] = {
    "equality": {"samples": 8, "bitwise": True, "max_difference": {"float32": 0.0, "bfloat16": 0.0}},
    "merge": {"sha256_before": "b" * 64, "sha256_after": "a" * 64, "scales": {}},
    "pathway": {"scale_init": 0.25},
}
SCALES = {"encoder.blocks.0.mlp.fc1.weight": {"audio": [0.125], "points": [-0.5, 0.25]}}


def test_the_front_matter_is_the_hub_s() -> None:
    card = ModelCard(model_card(ABOUT, sha256=SHA, scales=SCALES))
    assert card.data.library_name == "crosspath"
    assert card.data.pipeline_tag == "image-classification"
    assert card.data.license == "other"
    assert {"crosspath", "image"} <= set(card.data.tags)
    points = About(recipe=recipe_named("point/solids"), classes=("cone",))
    assert ModelCard(model_card(points, sha256=SHA, scales={})).data.pipeline_tag is None


def test_a_non_commercial_auxiliary_is_flagged_in_plain_words() -> None:
    card = model_card(ABOUT, sha256=SHA, scales=SCALES)
    assert "Not for commercial use: the auxiliary `audio` comes from data set esc50" in card
    assert "CC BY-NC 3.0" in card
    free = replace(ABOUT, recipe=recipe_named("image/digits"), auxiliaries={"audio": {"recipe": "audio/fsdd"}})
    assert "Not for commercial use" not in model_card(free, sha256=SHA, scales=SCALES)
    unknown = replace(free, auxiliaries={"audio": {"origin": "weights"}})
    assert "Licence unknown: the auxiliary `audio` (its weights)" in model_card(unknown, sha256=SHA, scales=SCALES)


def test_a_card_says_what_it_owes_to_whom() -> None:
    card = model_card(replace(ABOUT, start="mae-run"), sha256=SHA, scales=SCALES)
    for text in (
        "# image/cifar10, with pathways",
        f"| audio | audio/esc50 | {SHA} |",
        "Its training started from `mae-run`",
        f"sha256 of its tensors: `{SHA}`",
        "| encoder.blocks.0.mlp.fc1.weight | audio | +0.125000 |",
        "| points | -0.500000 to +0.250000 (2) |",
        "cat, dog",
        "dataset: cifar10",
    ):
        assert text in card
    assert "/home/me" not in card
    plain = model_card(About(recipe=image_recipe(), classes=("cat",)), sha256=SHA, scales={})
    assert "# image/cifar10\n" in plain
    assert "## Auxiliaries" not in plain
    assert "## Scales" not in plain


def test_a_merged_card_tells_the_equality_as_it_was_measured() -> None:
    card = model_card(replace(ABOUT, receipt=RECEIPT), sha256=SHA, scales=SCALES)
    assert "bitwise equal on 8 generated samples" in card
    assert "scale_init: 0.25" in card  # as it was trained
    worse = {**RECEIPT, "equality": {"samples": 8, "bitwise": False, "max_difference": {"float32": 0.5}}}
    outputs = {
        "float32": {"bitwise": False, "max_difference": 0.5, "same_class": 0.75},
        "bfloat16": {"bitwise": True, "max_difference": 0.0, "same_class": 1.0},
    }
    worse["certificate"] = {"dataset": "cifar10", "part": "test", "samples": 4, "outputs": outputs}
    card = model_card(replace(ABOUT, receipt=worse), sha256=SHA, scales=SCALES)
    assert "not bitwise equal on 8 generated samples; largest difference: float32 0.5" in card
    assert "On 4 samples of the test part of cifar10: float32 largest difference 0.5, same class for 75.0%" in card
    assert "bfloat16 bitwise equal" in card


def test_no_folder_of_this_machine_leaves_with_the_recipe() -> None:
    recipe = image_recipe("data.dataset=folder", "data.folder=/home/me/pictures", "data.cache_folder=/home/me/cache")
    shared = strip_recipe_paths(recipe)
    assert str(shared.data.folder) == "pictures"
    assert shared.data.cache_folder is None
    sounds = recipe_named("audio/folder")
    data = sounds.data.model_copy(update={"train_shards": "/home/me/train-{0..3}.tar"})
    assert strip_recipe_paths(sounds.model_copy(update={"data": data})).data.train_shards == "train-{0..3}.tar"
