"""The README tells the truth: its snippet runs, its commands and recipes exist, its files are there."""

import re
from pathlib import Path

import pytest
import torch

REPOSITORY = Path(__file__).resolve().parent.parent
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def test_the_snippet_connects_steps_merges_and_asserts() -> None:
    (snippet,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert "assert torch.equal" in snippet
    torch.manual_seed(0)
    exec(compile(snippet, "README.md", "exec"), {})


def test_every_recipe_and_verb_exists() -> None:
    from crosspath.cli.main import build_app
    from crosspath.recipes import PUBLISHED, PUBLISHED_PRETRAINING, RECIPES

    (listed,) = re.findall(r"Recipes: (.*?)\. Those", README, re.DOTALL)
    assert set(re.findall(r"`(\w+/\w+)`", listed)) == RECIPES.keys() - PUBLISHED.keys()
    (published,) = re.findall(r"what they take\):\n(.*?); and for", README, re.DOTALL)
    assert set(re.findall(r"`(\w+/[\w-]+)`", published)) == PUBLISHED.keys()
    (pretrained,) = re.findall(r"and for `pretrain` (.*?)\. They", README, re.DOTALL)
    assert set(re.findall(r"`(\w+/[\w-]+)`", pretrained)) == PUBLISHED_PRETRAINING.keys()
    verbs = re.findall(r"^\| `crosspath (\w+)", README, re.MULTILINE)
    assert verbs
    app = build_app()
    assert all(app[verb] is not None for verb in verbs)


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)h][^)]*)\)", README))))
def test_linked_files_exist(link: str) -> None:
    assert (REPOSITORY / link).exists()


def test_nothing_is_left_to_fill_in() -> None:
    assert not re.search(r"PLACEHOLDER|TODO|TBD", README)


def test_every_verb_is_listed() -> None:
    from crosspath.cli.main import VERBS

    assert set(VERBS) == set(re.findall(r"^\| `crosspath (\w+)", README, re.MULTILINE))


def test_both_commands_are_targets_of_the_makefile() -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    for target in ("demo", "test"):
        assert f"make {target}" in README
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_the_tree_names_every_folder() -> None:
    folders = {path.parent.name for path in (REPOSITORY / "crosspath").glob("*/*.py")}
    assert all(f"  {folder}/" in README for folder in folders)
