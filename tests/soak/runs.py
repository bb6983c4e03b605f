"""The smallest run with a pathway, on data in memory: what the soak kills, resumes and starves of room."""

import importlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from crosspath.cli.main import main
from crosspath.config.files import write_recipe
from crosspath.errors import InputError
from crosspath.files import check_manifest
from crosspath.models.sizes import SIZES, Size
from tests.checkpoints.small import audio_recipe, image_recipe
from tests.soak.processes import Ending, contents, in_fork
from tests.training.synthetic import synthetic
from tests.training.test_resume import EVERYTHING
from tests.training.test_run import SHORT

AUXILIARY = audio_recipe(*SHORT)
TARGET = image_recipe(*SHORT, *EVERYTHING)
"""Six steps with a state after every second one, and every kind of randomness."""
READERS = ("crosspath.training.preparation", "crosspath.evaluation.evaluate")
SAME = ("model.safetensors", "pathway.safetensors", "pathway.json", "recipe.yaml", "inputs.json")
"""Files of a run that are equal bytes however often it was resumed."""


def read_from_memory() -> None:
    """From now on this process has data for these recipes in memory, and reads none from a disk."""
    torch.set_num_threads(1)
    SIZES["micro"] = Size(16, 2, 2)  # kilobytes in the place of megabytes
    sets = {recipe.modality: synthetic(recipe, 24, 12) for recipe in (AUXILIARY, TARGET)}

    def load(section: Any, root: Path | None, seed: int, progress: object = None) -> Any:
        return sets[section.modality]

    for name in READERS:
        vars(importlib.import_module(name))["load_data"] = load


def prepare(folder: Path) -> Path:
    """The recipes and a trained auxiliary in `folder`, and an uninterrupted run of the target in `whole`."""
    read_from_memory()
    write_recipe(AUXILIARY, folder / "audio.yaml")
    write_recipe(TARGET, folder / "image.yaml")
    for arguments in (["train", "audio.yaml", "--out", "audio"], train_command(folder / "whole")):
        ended = command(folder, arguments)
        assert ended.code == 0, ended.stderr
    return folder


def train_command(out: Path) -> list[str]:
    """The words of the target's run; where `out` is begun it is resumed."""
    return ["train", "image.yaml", "--out", str(out), "--auxiliary", "audio=audio", "--resume"]


def command(home: Path, arguments: Sequence[str], kill_after: float | None = None) -> Ending:
    """A command of crosspath in a forked process, in the folder `home`."""

    def call() -> int:
        import os

        os.chdir(home)
        read_from_memory()
        return main(arguments)

    return in_fork(call, kill_after)


def fault_of_end(home: Path, out: Path, resumed: Ending) -> str:
    """What tells a resumed run from the whole one; empty where nothing does."""
    if resumed.code != 0:
        return f"it does not resume (code {resumed.code}): {resumed.stderr[-1500:]}"
    try:
        check_manifest(out)
    except InputError as error:
        return str(error)
    expected, found = contents(home / "whole", SAME), contents(out, SAME)
    unequal = [name for name in SAME if expected[name] != found[name]]
    if unequal:
        return f"other bytes in {', '.join(unequal)}"
    results = [json.loads((folder / "result.json").read_text()) for folder in (home / "whole", out)]
    for name in ("metrics", "scales", "epoch", "steps", "strengths"):
        if results[0][name] != results[1][name]:
            return f"another {name}"
    logs = [timeless(folder / "log.jsonl") for folder in (home / "whole", out)]
    if logs[0] != logs[1]:
        return "another log"
    left = [path.name for path in out.rglob(".*")]
    return f"left behind: {', '.join(left)}" if left else ""


def timeless(path: Path) -> list[dict[str, Any]]:
    """The lines of a log without what a clock measures."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "samples_per_s"} for line in lines]


def fault_between(out: Path) -> str:
    """What is wrong with the files that are finished when a run has ended before its end; empty where nothing is."""
    for manifest in sorted(out.rglob("manifest.json")) if out.exists() else ():
        try:
            check_manifest(manifest.parent)
        except InputError as error:
            return f"{manifest.parent.name}: {error}"
    return ""
