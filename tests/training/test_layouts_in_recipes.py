"""Layouts by hand in a recipe: typed, the same after its file, and used by every command that pairs models."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import save_file

from crosspath.cli.main import main
from crosspath.config import Recipe, apply_overrides, read_recipe, recipe_from_text, recipe_to_text, write_recipe
from crosspath.pathway import PathwayError
from crosspath.recipes import recipe_named
from crosspath.study.definition import Study
from crosspath.study.plan import comparisons
from crosspath.training.pathways import selection_of
from crosspath.training.run import train
from tests.checkpoints.small import image_recipe
from tests.errors import refused
from tests.training.synthetic import in_memory
from tests.training.test_run import InMemory, short

__all__ = ["in_memory"]
WIDTH = 128
TABLE = {
    "block": "tower.step_",
    "norm": "pre",
    "heads": 4,
    "roles": {"query": {"weight": "look.weight", "bias": "look.bias"}, "mlp_in": {"weight": "think.weight"}},
}


def described(*more: str, **changes: Any) -> Recipe:
    """A recipe that describes its auxiliary by TABLE."""
    table = yaml.safe_dump({**TABLE, **changes}, default_flow_style=True, width=10**6).strip()
    settings = (f"pathway.auxiliary_layout={table}", "pathway.roles=[query, mlp_in]", "pathway.scale_init=0.1")
    return short(image_recipe, *settings, *more)


@pytest.fixture
def auxiliary(tmp_path: Path) -> Path:
    """A file of three blocks under names of nobody's; the recipe's model has six."""
    shapes = {"look.weight": (WIDTH, WIDTH), "look.bias": (WIDTH,), "think.weight": (4 * WIDTH, WIDTH)}
    tensors = {f"tower.step_{i}.{name}": torch.full(shape, 1.0 + i) for i in range(3) for name, shape in shapes.items()}
    save_file(tensors, tmp_path / "mine.safetensors")
    return tmp_path / "mine.safetensors"


def test_a_recipe_with_a_layout_is_the_same_after_its_file(tmp_path: Path) -> None:
    recipe = described("pathway.target_layout=timm blocks")
    write_recipe(recipe, tmp_path / "recipe.yaml")
    assert read_recipe(tmp_path / "recipe.yaml") == recipe
    assert recipe_from_text(recipe_to_text(recipe), "text") == recipe
    changed = apply_overrides(recipe, ["pathway.auxiliary_layout.heads=8"])
    assert selection_of(changed.pathway, "mine")["auxiliary_layout"].heads == 8  # type: ignore[union-attr]
    assert selection_of(recipe.pathway, "mine")["target_layout"] == "timm blocks"
    named = apply_overrides(recipe, ["pathway.auxiliary_layout={name: Megatron, heads: 2, order: head-major}"])
    layout = selection_of(named.pathway, "mine")["auxiliary_layout"]
    assert layout.heads == 2  # type: ignore[union-attr]
    assert {place.order for place in layout.roles.values() if place.parts == 3} == {"head-major"}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("setting", "where", "value"),
    [
        ("auxiliary_layout={block: b., role: {}}", "auxiliary_layout", "roles"),
        ("auxiliary_layout={block: b., roles: {query: {weigth: a}}}", "auxiliary_layout", "weight"),
        ("auxiliary_layout={block: b., roles: {query: a.weight}}", "auxiliary_layout.roles.query", "section"),
        ("auxiliary_layout={mine: {blok: b., roles: {query: {weight: a}}}}", "auxiliary_layout.mine", "blok"),
        ("auxiliary_layout={mine: null}", "auxiliary_layout.mine", "None"),
        ("auxiliary_layout={name: Megatron, heads: 0}", "auxiliary_layout.heads", "0"),
        ("target_layout=7", "target_layout", "7"),
        ("target_layout={mine: timm blocks}", "target_layout", "name"),
    ],
)
def test_a_fault_in_a_layout_is_named(setting: str, where: str, value: str) -> None:
    with refused("", f"pathway.{where}", value):
        apply_overrides(recipe_named("image/digits"), [f"pathway.{setting}"])


def test_train_and_match_use_the_layout_of_the_recipe(
    auxiliary: Path, tmp_path: Path, in_memory: InMemory, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = described("pathway.blocks=spread", "train.epochs=1")
    in_memory(recipe)
    result = train(recipe, out=tmp_path / "run", auxiliaries={"mine": auxiliary}, progress=False)
    layers = json.loads((tmp_path / "run" / "pathway.json").read_text())["layers"]
    for block, source in enumerate((0, 0, 1, 1, 2, 2)):
        entry = layers[f"encoder.blocks.{block}.mlp.fc1.weight"]["mine"]
        assert entry["from"] == [f"tower.step_{source}.think.weight[0:{4 * WIDTH}]"]
    assert len(result.scales) == 12

    write_recipe(described(), tmp_path / "mine.yaml")
    command = ["match", str(tmp_path / "mine.yaml"), "--auxiliary", f"mine={auxiliary}"]
    assert main([*command, "--blocks", "spread", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)["mine"]
    assert report["ok"]
    assert len(report["pairs"]) == 12
    assert main(command) == 2
    output = capsys.readouterr()
    assert "target has 6 blocks, auxiliary has 3" in output.out
    assert "--set pathway.blocks=spread" in output.out
    assert "--auxiliary mine" in output.err
    assert main([*command, "--set", "pathway.blocks=spread"]) == 0
    assert " --set pathway.blocks=spread" in capsys.readouterr().err.splitlines()[-1]
    assert main([*command, "--blocks", "{0: 0, 5: 2}"]) == 0
    assert "encoder.blocks.5.mlp.fc1.weight[0:512] <- tower.step_2.think.weight" in capsys.readouterr().out


def test_a_layout_that_does_not_fit_ends_a_run_before_anything_is_written(
    auxiliary: Path, tmp_path: Path, in_memory: InMemory
) -> None:
    wrong = described(roles={"query": {"weight": "look.weight"}, "mlp_in": {"weight": "thinks.weight"}})
    other = described()
    layouts = {"yours": other.pathway.auxiliary_layout}
    others = other.model_copy(update={"pathway": other.pathway.model_copy(update={"auxiliary_layout": layouts})})
    for recipe, where, value in ((wrong, "by hand", "think.weight"), (others, "pathway.auxiliary_layout", "yours")):
        in_memory(recipe)
        with refused(where, value, kind=PathwayError):
            train(recipe, out=tmp_path / "run", auxiliaries={"mine": auxiliary}, progress=False)
        assert not (tmp_path / "run").exists()


def test_a_run_of_a_study_has_the_layout_of_its_own_auxiliary() -> None:
    table = yaml.safe_dump({"one": TABLE, "two": "timm blocks"}, default_flow_style=True, width=10**6).strip()
    study = Study(
        targets={"image/digits": {}},  # type: ignore[dict-item]
        auxiliaries={"one": "a", "two": "b"},
        settings=(f"pathway.auxiliary_layout={table}",),
    )
    (comparison,) = comparisons(study, {"one": ("a", "audio"), "two": ("b", "point")})
    layouts = {cell.auxiliary: cell.recipe(0.1, 0, search=False).pathway.auxiliary_layout for cell in comparison.others}
    assert layouts["two"] == "timm blocks"
    assert layouts["one"].block == "tower.step_"  # type: ignore[union-attr]
    assert comparison.none.recipe(0.1, 0, search=False).pathway.auxiliary_layout is None
    with refused("pathway.auxiliary_layout", "two"):
        comparisons(study.model_copy(update={"auxiliaries": {"one": "a"}}), {"one": ("a", "audio")})
