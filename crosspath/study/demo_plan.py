"""What a demo consists of: its runs, their recipes and folders, and the commands that repeat them by hand."""

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from crosspath.config import Recipe, apply_overrides
from crosspath.files import new_folder, write_text
from crosspath.locks import LOCK_FILES, claim, remove_lock
from crosspath.recipes import recipe_named
from crosspath.study.arms import NONE, PATHWAY, RANDOM
from crosspath.study.demo_report import REPORT, SUMMARY
from crosspath.study.plan import QUIET
from crosspath.training.plan import plan

MARKER = ".crosspath-demo"
"""The file that marks a folder as written by a demo."""
OUTPUTS = re.compile(rf"auxiliary|(none|pathway|random|merged)-\d+|{re.escape(SUMMARY)}|{re.escape(REPORT)}")
"""What a demo writes: a later demo removes these from its folder, and nothing else."""
TARGET = "image/digits"
AUXILIARIES = {"sounds": "audio/sounds", "solids": "point/solids"}
ARMS = (NONE, PATHWAY, RANDOM)

LABELS_PER_CLASS = 10
SCALE_INIT = 0.1
TARGET_SETTINGS = ("train.epochs=80", "train.evaluate_every=4")
AUXILIARY_SETTINGS: Mapping[str, tuple[str, ...]] = {"sounds": (), "solids": ("train.epochs=6",)}


@dataclass(frozen=True)
class DemoPlan:
    """Every run of the demo: recipes, and the settings that make them from the shipped ones."""

    out: Path
    name: str
    """The auxiliary's name, a key of `AUXILIARIES`."""
    seeds: tuple[int, ...]
    auxiliary_settings: tuple[str, ...]
    target_settings: tuple[str, ...]

    @property
    def auxiliary(self) -> Recipe:
        """The recipe of the auxiliary."""
        return apply_overrides(recipe_named(AUXILIARIES[self.name]), (*QUIET, *self.auxiliary_settings))

    def settings(self, arm: str, seed: int) -> tuple[str, ...]:
        """What one run changes in the target's recipe."""
        pathway = (f"pathway.scale_init={SCALE_INIT}",) if arm != NONE.name else ()
        return (*self.target_settings, *pathway, f"train.seed={seed}")

    def target(self, arm: str, seed: int) -> Recipe:
        """The recipe of one run of the target."""
        return apply_overrides(recipe_named(TARGET), (*QUIET, *self.settings(arm, seed)))

    def folder(self, name: str, seed: int | None = None) -> Path:
        """The folder of a run."""
        return self.out / (name if seed is None else f"{name}-{seed}")

    def work(self) -> float:
        """All steps, weighed by `work_per_step`."""
        targets = sum(work_of(self.target(arm.name, seed)) for seed in self.seeds for arm in ARMS)
        return work_of(self.auxiliary) + targets

    def commands(self) -> list[str]:
        """The runs of the first seed as commands; the random control is available from the demo only."""
        auxiliary, seed = self.folder("auxiliary"), self.seeds[0]
        connected, merged = self.folder(PATHWAY.name, seed), self.folder("merged", seed)
        train_connected = f"crosspath train {TARGET} --auxiliary {self.name}={auxiliary}"
        return [
            _command(f"crosspath train {AUXILIARIES[self.name]}", self.auxiliary_settings, auxiliary),
            _command(f"crosspath train {TARGET}", self.settings(NONE.name, seed), self.folder(NONE.name, seed)),
            _command(train_connected, self.settings(PATHWAY.name, seed), connected),
            f"crosspath merge {connected} {merged}",
            f"crosspath evaluate {connected} --json",
            f"crosspath evaluate {merged} --json",
        ]


def _command(start: str, settings: Sequence[str], out: Path) -> str:
    return " ".join([start, *(f"--set {setting}" for setting in settings), f"--out {out}"])


def work_per_step(recipe: Recipe) -> float:
    """The approximate cost of one step: the tokens of a batch."""
    return float(plan(recipe)["tokens"] * recipe.train.batch_size)


def work_of(recipe: Recipe) -> float:
    """The approximate cost of a run."""
    return float((plan(recipe)["steps"] or 0) * work_per_step(recipe))


@contextmanager
def claim_demo_folder(out: Path) -> Iterator[None]:
    """The folder of a demo, for this process alone: what an earlier demo wrote there is removed, the marker is left.

    Raises
    ------
    InputError
        For a folder with files that no demo wrote, and one that another process uses.
    """
    if not (out / MARKER).is_file():
        new_folder(out, "--out", beside=LOCK_FILES)
    with claim(out):
        if (out / MARKER).is_file():
            for path in sorted(out.iterdir()):
                if OUTPUTS.fullmatch(path.name):
                    _remove(path)
        else:
            new_folder(out, "--out", beside=LOCK_FILES)
            write_text(out / MARKER, "Written by `crosspath demo`, which replaces its earlier results here.\n")
        yield
        remove_lock(out)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
