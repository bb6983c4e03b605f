"""One run's folder: where it may be written, its log, its checkpoints, its end.

`recipe.yaml` and `log.jsonl` exist from the start; `checkpoints/<zero-padded step>/` appear during training, each with
the state to resume from; `model.safetensors` (+ `pathway.*`), `result.json` and last `manifest.json` are written when
the run is finished. TensorBoard events and pictures of reconstructions come where the recipe asks for them.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import nn

from crosspath.checkpoints.save import PATHWAY_FILES, RECIPE, WEIGHTS, save_checkpoint
from crosspath.config import Recipe, read_recipe, write_recipe
from crosspath.errors import InputError
from crosspath.files import (
    MANIFEST,
    as_kind,
    check_manifest,
    name_behind,
    new_folder,
    read_json,
    read_json_as,
    remove_complete,
    sweep,
    write_json,
    write_manifest,
    write_text,
    writing,
)
from crosspath.locks import LOCK_FILES, claim, refuse_used, remove_lock
from crosspath.modalities.calibration import with_calibration
from crosspath.own import is_own, remember
from crosspath.training.result import LOG, RESULT, Result, read_result
from crosspath.training.same_run import SAMPLES, check_inputs, check_recipe
from crosspath.training.state import STATE, STATE_FILES
from crosspath.training.trackers import EVENTS, TENSORBOARD

INPUTS = "inputs.json"
"""What a run starts from besides its recipe: {"data", "from", "auxiliaries"}, checkpoints as {"origin", "sha256"}."""
CHECKPOINTS = "checkpoints"
RECONSTRUCTIONS = "reconstructions"
"""Pictures of what masked modelling makes of held-out samples."""
RESUMPTIONS = "resumed.json"
"""The steps at which an unfinished run was resumed, and what that changed; a finished one has them in its result."""
PICTURES = "pictures"
"""Of what the trained model does with held-out samples."""
OWN_FILES = (RECIPE, INPUTS, LOG, RESUMPTIONS, WEIGHTS, *PATHWAY_FILES, RESULT, MANIFEST)
STEP = re.compile(r"\d{8,}")
REQUIRED_FILES = (RECIPE, LOG)
"""A folder without these is no run folder and is never cleared."""


@dataclass(frozen=True)
class _Resumptions:
    """The content of `resumed.json`."""

    resumed_at: list[int] = field(default_factory=list)
    changes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RunFolder:
    """A folder that this run may write to."""

    path: Path
    recipe: Recipe
    inputs: Mapping[str, Any]
    resume: bool = False
    changes: tuple[str, ...] = ()
    """What a resumed run has changed without changing a number, in words."""

    def with_samples(self, fingerprint: str) -> "RunFolder":
        """This folder, for a run whose data have this fingerprint (`DataSet.fingerprint`).

        Raises
        ------
        InputError
            Where a run that is resumed began with other samples: those it has learned might lie in its test part.
        """
        before = read_json(self.path / INPUTS) if (self.path / INPUTS).is_file() else {}
        if before.get(SAMPLES, fingerprint) != fingerprint:
            found = "files were added, removed or changed, or are decoded otherwise"
            todo = "restore them, or choose another --out"
            raise InputError(self.path, "the samples that this run began with", found, todo)
        return replace(self, inputs={**self.inputs, SAMPLES: fingerprint})

    @contextmanager
    def claim(self) -> Iterator[None]:
        """Keep other processes from writing here while the block runs.

        Raises
        ------
        InputError
            Where another process does, or has written here since the folder was opened.
        """
        with claim(self.path):
            now = _look_at(self.path, self.recipe, self.inputs, resume=self.resume)
            if isinstance(now, Result):
                found, todo = "one that another process has finished meanwhile", "repeat the command to read its result"
                raise InputError(self.path, "an unfinished run", found, todo)
            yield
            remove_lock(self.path)

    def start(self) -> None:
        """Write the resolved recipe and an empty log; an unfinished run that was there is cleared, and no other file.

        Pictures stay: a run draws them when it is finished, over those of the same names.
        """
        with writing(self.path):
            for checkpoint in self._checkpoints():
                remove_complete(checkpoint)
            for name in OWN_FILES:
                (self.path / name).unlink(missing_ok=True)
            for events in (self.path / TENSORBOARD).glob(EVENTS):
                events.unlink()
        sweep(self.path)
        for folder in (CHECKPOINTS, TENSORBOARD):
            with suppress(OSError):  # where a user put something
                (self.path / folder).rmdir()
        write_recipe(self.recipe, self.path / RECIPE)
        write_json(self.path / INPUTS, self.inputs)
        write_text(self.path / LOG, "")

    @property
    def has_begun(self) -> bool:
        """Whether a run has begun here."""
        return (self.path / LOG).exists()

    def states(self) -> list[Path]:
        """The folders of complete checkpoints with a state to resume from, newest first."""
        complete = (
            folder for folder in self._checkpoints() if (folder / MANIFEST).exists() and (folder / STATE).exists()
        )
        return sorted(complete, key=lambda folder: int(folder.name), reverse=True)

    def _checkpoints(self) -> list[Path]:
        """The folders of this run's checkpoints, and not what a user put beside them."""
        return [path for path in self.path.glob(f"{CHECKPOINTS}/*") if path.is_dir() and STEP.fullmatch(path.name)]

    def rewind_to(self, step: int, log_bytes: int) -> None:
        """Remove what was written after the state of this step, and note that the run was resumed there."""
        sweep(self.path)
        for other in self._checkpoints():
            if int(other.name) > step or not (other / MANIFEST).exists():
                remove_complete(other)
        with writing(self.path), (self.path / LOG).open("r+b") as file:
            file.truncate(log_bytes)
        changes = tuple(dict.fromkeys((*self.changes_so_far(), *self.changes)))
        write_json(self.path / RESUMPTIONS, {"resumed_at": [*self.resumed_at(), step], "changes": changes})
        write_recipe(self.recipe, self.path / RECIPE)
        write_json(self.path / INPUTS, self.inputs)

    def resumed_at(self) -> list[int]:
        """The steps at which this run was resumed so far."""
        return self._resumptions().resumed_at

    def changes_so_far(self) -> tuple[str, ...]:
        """What resuming this run has changed since it began; see `changes`."""
        return self._resumptions().changes

    def _resumptions(self) -> "_Resumptions":
        path = self.path / RESUMPTIONS
        return read_json_as(path, _Resumptions) if path.exists() else _Resumptions()

    def log(self, entry: Mapping[str, Any]) -> int:
        """Append one object to the log; returns its length in bytes."""
        with writing(self.path), (self.path / LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, allow_nan=False) + "\n")
            return file.tell()

    def save_step(
        self,
        model: nn.Module,
        step: int,
        classes: Sequence[str],
        auxiliaries: Mapping[str, Mapping[str, Any]],
        write_more: Callable[[Path], None],
    ) -> None:
        """Save a checkpoint with what `write_more` adds to it; only the newest `train.keep_checkpoints` are kept."""
        folder = self.path / CHECKPOINTS / f"{step:08d}"
        save_checkpoint(model, folder, recipe=self.recipe, classes=classes, auxiliaries=auxiliaries, beside=write_more)
        for old in self.states()[self.recipe.train.keep_checkpoints :]:
            remove_complete(old)

    def finish(self, model: nn.Module, result: Result) -> None:
        """Save the final weights, the result, and the manifest that marks the run as complete.

        A finished run is never resumed: the states of its checkpoints are removed, their weights stay.
        """
        save_checkpoint(
            model,
            self.path,
            recipe=self.recipe,
            classes=result.classes,
            auxiliaries=result.auxiliaries,
            texts={RESULT: json.dumps(result.to_json(), indent=2, allow_nan=False) + "\n"},
        )
        _tidy(self.path)


def _untidy(path: Path) -> bool:
    """Whether a process was killed after its run was finished and before `_tidy` was."""
    if any((path / name).exists() for name in (RESUMPTIONS, *LOCK_FILES)):
        return True
    return any((file.parent / STATE).exists() for file in path.glob(f"{CHECKPOINTS}/*/{MANIFEST}"))


def _tidy(path: Path) -> None:
    """Remove from a finished run what only an unfinished one needs."""
    sweep(path)
    (path / RESUMPTIONS).unlink(missing_ok=True)
    for manifest in path.glob(f"{CHECKPOINTS}/*/{MANIFEST}"):
        folder, own = manifest.parent, is_own(manifest)
        if (folder / STATE).exists():
            names = [file.name for file in folder.iterdir() if file.name not in (*STATE_FILES, MANIFEST)]
            write_manifest(folder, names)
            if own:
                remember(manifest)
        for name in STATE_FILES:
            (folder / name).unlink(missing_ok=True)


def drop_weights(path: Path) -> None:
    """Remove the weights of a finished run whose score alone counts; it stays a finished one."""
    weights = [file for name in (WEIGHTS, *PATHWAY_FILES) if (file := path / name).exists()]
    if not weights or not (path / MANIFEST).is_file():
        return
    own = is_own(path / MANIFEST)
    # The manifest first: whenever that is interrupted, it names no file that is missing.
    names = as_kind(read_json(path / MANIFEST).get("files"), dict[str, str], path / MANIFEST)
    write_manifest(path, names.keys() - {file.name for file in weights})
    if own:
        remember(path / MANIFEST)
    for file in weights:
        file.unlink()


def open_run_folder(path: Path, recipe: Recipe, inputs: Mapping[str, Any], *, resume: bool) -> RunFolder | Result:
    """The folder of a new or unfinished run, or the result of a finished one; nothing is written yet.

    Raises
    ------
    InputError
        For a folder that another process uses; one with files in it unless `resume`; with `resume`, for a folder that
        holds no run, or one whose recipe gives other numbers, of other data, another start or other auxiliaries.
    """
    refuse_used(path)
    run = _look_at(path, recipe, inputs, resume=resume)
    if isinstance(run, Result) and _untidy(path):
        with claim(path):
            _tidy(path)
            remove_lock(path)
    return run


def _look_at(path: Path, recipe: Recipe, inputs: Mapping[str, Any], *, resume: bool) -> RunFolder | Result:
    if not resume or not path.exists() or (path.is_dir() and all(file.name in LOCK_FILES for file in path.iterdir())):
        new_folder(path, "--out, or resume the run with --resume", beside=LOCK_FILES)
        return RunFolder(path=path, recipe=recipe, inputs=inputs, resume=resume)
    if _is_just_created(path):
        return RunFolder(path=path, recipe=recipe, inputs=inputs, resume=resume)
    if not path.is_dir() or not all((path / name).is_file() for name in REQUIRED_FILES):
        raise InputError(path, "a run folder to resume", "another folder", "choose another --out")
    own = read_recipe(path / RECIPE)
    changes = check_recipe(path, own, with_calibration(recipe, own), path / RECIPE)
    before = read_json(path / INPUTS) if (path / INPUTS).is_file() else {}
    changes += check_inputs(path / INPUTS, before, inputs)
    if (path / MANIFEST).is_file():
        check_manifest(path)
        return read_result(path)
    return RunFolder(path=path, recipe=recipe, inputs=inputs, resume=resume, changes=changes)


def _is_just_created(path: Path) -> bool:
    """Whether a run was killed while it made its folder, and nothing else is in there."""
    if not path.is_dir() or (path / LOG).exists():
        return False
    own = (RECIPE, INPUTS, LOG, *LOCK_FILES)
    return all(name_behind(file) in own for file in path.iterdir())
