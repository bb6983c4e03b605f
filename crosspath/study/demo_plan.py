"""What a demo consists of: two auxiliaries, the study of both, the folder that holds them, and its commands."""

import re
import shlex
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from crosspath.config import Recipe, apply_overrides
from crosspath.files import new_folder, write_text
from crosspath.locks import LOCK_FILES, claim, remove_lock
from crosspath.recipes import recipe_named
from crosspath.study.cells import QUIET
from crosspath.study.definition import Search, Study, TargetSection
from crosspath.study.folder import REPORT

MARKER = ".crosspath-demo"
"""The file that marks a folder as written by a demo."""
SUMMARY = "demo.json"
AUXILIARIES, COMPARISON, MERGED = "auxiliaries", "comparison", "merged"
"""The folders of a demo: the auxiliaries, the study, and the merged model."""
BEFORE = r"auxiliary|(none|pathway|random|merged)-\d+"
"""What demos before version 0.2.0 wrote."""
OUTPUTS = re.compile("|".join((AUXILIARIES, COMPARISON, MERGED, re.escape(SUMMARY), re.escape(REPORT), BEFORE)))
"""What a demo writes: a later demo removes these from its folder, and nothing else."""
TARGET = "audio/sounds"
SOUNDS, DIGITS = "sounds", "digits"
ARMS = ("none", "pathway", "random", "same-modality")

TARGET_SETTINGS = (
    "data.labels_per_class=10",
    "train.epochs=15",
    "train.batch_size=16",
    "train.evaluate_every=3",
    "train.device=cpu",
    "pathway.start=whole-body",
)
AUXILIARY_SETTINGS = ("train.device=cpu",)
RATE = 1e-3
"""Of every arm: a search would take longer than the demo."""
ABOUT = (
    "The target is a classifier of sounds with 10 labels per class. Two networks are tried as its auxiliary. One has "
    "learned to complete spectrograms of the training part, without a label; it should help, since it knows what the "
    "sounds look like. The other has learned to tell handwritten digits apart, with all their labels: nothing in them "
    "is about sounds, and random weights of the same shapes show what such an auxiliary gives in any case."
)


@dataclass(frozen=True)
class DemoPlan:
    """Every run of the demo."""

    out: Path
    seeds: int
    auxiliary_settings: tuple[str, ...] = ()
    """Further ones of both auxiliaries."""
    target_settings: tuple[str, ...] = ()
    """Further ones of every arm."""

    @property
    def auxiliaries(self) -> dict[str, Recipe]:
        """{name: recipe}: the first pretrains without labels, the second trains with them."""
        recipes = {SOUNDS: recipe_named(TARGET, "masked_modeling"), DIGITS: recipe_named("image/digits")}
        settings = (*QUIET, *AUXILIARY_SETTINGS, *self.auxiliary_settings)
        return {name: apply_overrides(recipe, settings) for name, recipe in recipes.items()}

    def auxiliary_folder(self, name: str) -> Path:
        """The run folder of an auxiliary."""
        return self.out / AUXILIARIES / name

    @property
    def study(self) -> Study:
        """The comparison of both auxiliaries."""
        return Study(
            name="demo",
            about=ABOUT,
            targets={TARGET: TargetSection()},
            auxiliaries={name: str(self.auxiliary_folder(name)) for name in (SOUNDS, DIGITS)},
            arms=ARMS,
            seeds=self.seeds,
            search=Search(rates=(RATE,)),
            settings=(*TARGET_SETTINGS, *self.target_settings),
        )

    def commands(self, run: Path, merged: Path) -> list[str]:
        """The same by hand: the auxiliaries, the comparison, and the merge."""
        options = _options(AUXILIARY_SETTINGS, self.auxiliary_settings)
        lines = [
            [verb, recipe.name, *options, "--out", str(self.auxiliary_folder(name))]
            for verb, (name, recipe) in zip(("pretrain", "train"), self.auxiliaries.items(), strict=True)
        ]
        compare = ["compare", TARGET, "--arms", ",".join(ARMS), "--seeds", str(self.seeds), "--rates", f"{RATE:g}"]
        for name in self.auxiliaries:
            compare += ["--auxiliary", f"{name}={self.auxiliary_folder(name)}"]
        compare += _options(TARGET_SETTINGS, self.target_settings)
        lines += [[*compare, "--out", str(self.out.with_name(f"{self.out.name}-by-hand"))]]
        lines += [["merge", str(run), str(merged)], ["evaluate", str(merged), "--json"]]
        return [shlex.join(["crosspath", *line]) for line in lines]


def _options(*settings: Sequence[str]) -> list[str]:
    return [word for group in settings for setting in group for word in ("--set", setting)]


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
