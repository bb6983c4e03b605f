"""One run's folder: where it may be written, its log, its checkpoints, its end.

`recipe.yaml` and `log.jsonl` stand there from the start; `model.safetensors` (+ `pathway.*`), `result.json` and last
`manifest.json` when the run is finished; `checkpoints/<zero-padded step>/` on the way.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from crosspath.checkpoints.files import MANIFEST, check_manifest, new_folder, read_json, write_json, write_text, writing
from crosspath.checkpoints.save import PATHWAY_FILES, RECIPE, WEIGHTS, save_checkpoint
from crosspath.config import Recipe, read_recipe, recipe_to_text
from crosspath.errors import InputError
from crosspath.training.result import RESULT, Result, read_result

LOG = "log.jsonl"
INPUTS = "inputs.json"
"""What a run starts from beside its recipe: {"data", "from", "auxiliaries"}, checkpoints as {"origin", "sha256"}."""
CHECKPOINTS = "checkpoints"
OWN_FILES = (RECIPE, INPUTS, LOG, WEIGHTS, *PATHWAY_FILES, RESULT, MANIFEST)
OWN_TRACES = (RECIPE, LOG)
"""Without one of these a folder is no run of ours and is never cleared."""


@dataclass(frozen=True, kw_only=True)
class RunFolder:
    """A folder that this run may write to."""

    path: Path
    recipe: Recipe
    inputs: Mapping[str, Any]

    def start(self) -> bool:
        """Write the resolved recipe and an empty log; returns whether an unfinished run was there, which is cleared."""
        unfinished = (self.path / LOG).exists()
        with writing(self.path):
            for name in OWN_FILES:
                (self.path / name).unlink(missing_ok=True)
        shutil.rmtree(self.path / CHECKPOINTS, ignore_errors=True)
        write_text(self.path / RECIPE, recipe_to_text(self.recipe))
        write_json(self.path / INPUTS, self.inputs)
        write_text(self.path / LOG, "")
        return unfinished

    def log(self, entry: Mapping[str, Any]) -> None:
        """Append one object to the log."""
        with writing(self.path), (self.path / LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, allow_nan=False) + "\n")

    def save_step(
        self, model: nn.Module, step: int, classes: Sequence[str], auxiliaries: Mapping[str, Mapping[str, Any]]
    ) -> None:
        """A checkpoint on the way."""
        folder = self.path / CHECKPOINTS / f"{step:08d}"
        save_checkpoint(model, folder, recipe=self.recipe, classes=classes, auxiliaries=auxiliaries)

    def finish(self, model: nn.Module, result: Result) -> None:
        """The weights that the run leaves behind, its result, and the manifest that says it is complete."""
        save_checkpoint(
            model,
            self.path,
            recipe=self.recipe,
            classes=result.classes,
            auxiliaries=result.auxiliaries,
            texts={RESULT: json.dumps(result.to_json(), indent=2, allow_nan=False) + "\n"},
        )


def open_run_folder(path: Path, recipe: Recipe, inputs: Mapping[str, Any], *, resume: bool) -> RunFolder | Result:
    """The folder of a new run, or the result of one that is finished already; nothing is written yet.

    Raises
    ------
    InputError
        For a folder with files in it unless `resume`; with `resume`, for a folder that holds no run, or one of
        another recipe, other data, another start or other auxiliaries.
    """
    if not resume or not path.exists() or (path.is_dir() and not any(path.iterdir())):
        new_folder(path, "--out, or take the run up with --resume")
        return RunFolder(path=path, recipe=recipe, inputs=inputs)
    if not path.is_dir() or not all((path / name).is_file() for name in OWN_TRACES):
        raise InputError(path, "a run folder to resume", "none", "choose another --out")
    if read_recipe(path / RECIPE) != recipe:
        raise InputError(
            path / RECIPE, "the settings of this run", "others", "choose another --out, or the same settings"
        )
    before = read_json(path / INPUTS) if (path / INPUTS).is_file() else {}
    for name, value in inputs.items():
        if before.get(name) != value:
            found = f"{name} {json.dumps(before.get(name))}, now {json.dumps(value)}"
            raise InputError(
                path / INPUTS, "what this run started from", found, "give the same, or choose another --out"
            )
    if (path / MANIFEST).is_file():
        check_manifest(path)
        return read_result(path)
    return RunFolder(path=path, recipe=recipe, inputs=inputs)
