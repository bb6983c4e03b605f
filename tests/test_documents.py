"""The pages promise nothing that the code lacks: their commands are parsed, their settings applied, their code run."""

import dataclasses
import re
import shlex
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import nbformat
import pytest
import timm
import torch

import crosspath
from crosspath.cli.data import recipes_of
from crosspath.cli.main import build_app
from crosspath.config import apply_overrides
from crosspath.recipes import PRETRAINING, RECIPES

REPOSITORY = Path(__file__).resolve().parent.parent
PAGES = [
    REPOSITORY / "README.md",
    REPOSITORY / "CONTRIBUTING.md",
    REPOSITORY / "benchmarks" / "README.md",
    *sorted((REPOSITORY / "docs").rglob("*.md")),
]
SITE = [
    page for page in PAGES if page.parent.name != "benchmarks" and page.name not in ("README.md", "CONTRIBUTING.md")
]


def commands(text: str) -> Iterator[list[str]]:
    """The words of every `crosspath` command in a page's blocks and code spans, without the program itself."""
    text = text.replace("\\\n", " ")
    for block in re.findall(r"^[ \t]*```\w*\n(.*?)^[ \t]*```", text, re.DOTALL | re.MULTILINE):
        for line in block.splitlines():
            if match := re.match(r"\s*(?:\$ |srun )?(?:torchrun .* -m )?crosspath (\w.*)", line):
                yield shlex.split(match[1].replace("[OPTIONS] ", "").replace("[OPTIONS]", ""), comments=True)
    prose = re.sub(r"^[ \t]*```.*?^[ \t]*```", "", text, flags=re.DOTALL | re.MULTILINE)
    for span in re.findall(r"`crosspath ([a-z][^`]*)`", prose):
        words = shlex.split(span)
        if len(words) > 1 and not words[1].startswith("--"):
            yield words


def test_commands_are_recognised() -> None:
    block = "```\ncrosspath train a/b \\\n    --out c  # why\ntorchrun --nproc 2 -m crosspath train d/e\n```\n"
    text = f"{block}`crosspath merge A B`, or `crosspath train --auxiliary`"
    assert list(commands(text)) == [["train", "a/b", "--out", "c"], ["train", "d/e"], ["merge", "A", "B"]]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_command_of_a_page_is_one(page: Path) -> None:
    app = build_app()
    for words in commands(page.read_text(encoding="utf-8")):
        if len(words) < 2 or (words[0] == "data" and len(words) == 2):  # named without its argument
            continue
        app.parse_args(words, exit_on_error=False, print_error=False)
        settings = [value for option, value in pairwise(words) if option == "--set"]
        shipped: Any = (PRETRAINING if words[0] == "pretrain" else RECIPES).get(words[1])
        if shipped is not None:
            apply_overrides(shipped(), [value for value in settings if "DIR" not in value])


@pytest.mark.parametrize("page", SITE, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_page_ends_with_a_next_step(page: Path) -> None:
    last = page.read_text(encoding="utf-8").strip().split("\n\n")[-1]
    assert re.match(r"(\*\*)?Next", last)
    assert "](" in last


@pytest.mark.parametrize("notebook", sorted((REPOSITORY / "docs").glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_tutorial_ends_with_a_next_step(notebook: Path) -> None:
    last = nbformat.read(notebook, as_version=4).cells[-1]
    assert last.source.split("\n\n")[-1].startswith("**Next:**")


def test_the_page_of_recipes_names_each() -> None:
    from crosspath.recipes import PUBLISHED_PRETRAINING, PUBLISHED_RECIPES

    page = (REPOSITORY / "docs" / "api" / "recipes.md").read_text(encoding="utf-8")
    small, alone, published, pretrained = (
        set(re.findall(r"`(\w+/[\w-]+)`", part))
        for part in re.split(r"\n\n", page.split("## Shipped recipes\n\n")[1])[:4]
    )
    assert small == RECIPES.keys() - PUBLISHED_RECIPES.keys()
    assert alone == PRETRAINING.keys() - RECIPES.keys() - PUBLISHED_PRETRAINING.keys()
    assert published == PUBLISHED_RECIPES.keys()
    assert pretrained == PUBLISHED_PRETRAINING.keys()
    own = page[page.index("Those named") : page.index("read your own data")]
    kinds = tuple(f"/{kind}" for kind in re.findall(r"`([\w-]+)`", own))
    own_recipes, no_files = recipes_of(without_files=False), recipes_of(without_files=True)
    assert {name for name in small if name.endswith(kinds)} == set(own_recipes)
    first = page[page.index("read your own data") : page.index("need no files")].split("\n", 1)[1]
    assert set(re.findall(r"`(\w+/[\w-]+)`", first)) == set(no_files)
    assert {"image/discs", "image/scenes", "point/furniture"} <= set(no_files)


def blocks(page: str) -> list[str]:
    text = (REPOSITORY / "docs" / page).read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def test_adding_a_modality_is_the_toy_modality() -> None:
    text = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    toy = (REPOSITORY / "tests" / "modalities" / "test_toy_modality.py").read_text(encoding="utf-8")
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        assert block.strip() in toy


def test_only_tested_pages_have_python() -> None:
    # migrate.md and trainers.md: tests/integrations/test_guides.py.
    pages = {str(page.relative_to(REPOSITORY / "docs")) for page in SITE if "```python" in page.read_text("utf-8")}
    assert pages == {"layouts.md", "method.md", "migrate.md", "sharing.md", "trainers.md"}


def test_the_method_page_attaches_an_optimizer() -> None:
    text = (REPOSITORY / "docs" / "method.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {"torch": torch, "crosspath": crosspath, "target": vit(), "auxiliary": vit()}
    before = names["target"].blocks[0].mlp.fc1.weight.detach().clone()
    loop = "target(torch.randn(2, 3, 16, 16)).sum().backward(); optimizer.step()"
    exec(block.replace("# ... your loop ...", loop), names)
    assert list(names["target"].state_dict()) == list(vit().state_dict())
    assert not torch.equal(names["target"].blocks[0].mlp.fc1.weight, before)


def vit(width: int = 16, heads: int = 2, **options: Any) -> Any:
    small = {"img_size": 16, "patch_size": 8, "depth": 2, "num_classes": 4}
    return timm.create_model("vit_tiny_patch16_224", embed_dim=width, num_heads=heads, **small, **options)


class Step(torch.nn.Module):
    """A block of nobody's layout."""

    def __init__(self) -> None:
        super().__init__()
        self.look = torch.nn.Module()
        self.look.count = 2
        self.look.q = torch.nn.Linear(16, 16)
        self.think = torch.nn.Linear(16, 64)


class Tower(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tower = torch.nn.Module()
        for place in range(2):
            self.tower.add_module(f"step_{place}", Step())


def gpt(attention: str) -> dict[str, torch.Tensor]:
    """Two blocks of width 16 under GPT-NeoX's or Megatron's names."""
    shapes = {
        f"{attention}.query_key_value": (48, 16),
        f"{attention}.dense": (16, 16),
        "mlp.dense_h_to_4h": (64, 16),
        "mlp.dense_4h_to_h": (16, 64),
    }
    return {
        f"layers.{place}.{name}.weight": torch.randn(*shape) for place in range(2) for name, shape in shapes.items()
    }


def test_the_snippets_on_orders_of_rows_run() -> None:
    neox, megatron = blocks("layouts.md")[0].split("\n\n")
    target = vit(heads=8)
    exec(neox, {"crosspath": crosspath, "target": target, "state_dict": gpt("attention")})
    assert len(crosspath.pathways(target).scales()) == 8
    target = vit(heads=16)
    exec(megatron, {"crosspath": crosspath, "target": target, "state_dict": gpt("self_attention")})
    assert len(crosspath.pathways(target).scales()) == 8


def test_the_snippet_on_blocks_in_stages_runs() -> None:
    _, stages, _ = blocks("layouts.md")
    wide = timm.create_model("vit_tiny_patch16_224", embed_dim=384, num_heads=6, depth=11)
    exec(stages, {"crosspath": crosspath, "timm": timm, "vit": vit(), "vit_of_width_384": wide})


def test_the_snippet_on_a_layout_of_ones_own_runs() -> None:
    _, _, own = blocks("layouts.md")
    target = Tower()
    exec(own, {"crosspath": crosspath, "target": target, "auxiliary": vit()})
    assert set(crosspath.pathways(target).scales())


def test_the_snippet_on_sharing_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (snippet,) = blocks("sharing.md")
    monkeypatch.chdir(tmp_path)
    recipe = apply_overrides(RECIPES["image/digits"](), ["model.size=micro"])
    model = crosspath.build_model(recipe, classes=10)
    model.about = dataclasses.replace(model.about, classes=tuple("0123456789"))
    model.save_pretrained("runs/cifar-plain")
    uploads: list[str] = []
    monkeypatch.setattr(crosspath.ModalityModel, "push_to_hub", lambda self, name: uploads.append(name))
    load = crosspath.ModalityModel.from_pretrained
    monkeypatch.setattr(
        crosspath.ModalityModel,
        "from_pretrained",
        staticmethod(lambda name: load("to-share" if name == "OWNER/NAME" else name)),
    )
    names: dict[str, Any] = {"crosspath": crosspath}
    exec(snippet, names)
    assert uploads == ["OWNER/NAME"]
    assert names["model"].state_dict().keys() == model.state_dict().keys()
