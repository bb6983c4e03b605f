"""Write the golden files: `PYTHONPATH=TREE python tests/golden/write.py [table] [folders] [splits]`.

The files in this folder were written by the tree of version 0.1.0. They are written anew only where results are meant
to change, and the reason then stands in the commit. A tree that changes structure alone leaves them as they are.

`digests.json`: the table of golden runs (`runs.py`), and what the folders below lead to.
`auxiliary/`: a finished run, spoken of below as the auxiliary.
`stopped/`: a run of a target with a pathway from the auxiliary, cut off after its first epoch.
`finished/`: the same run, whole.
`certified/`: `finished/` merged, with its certificate.
`pathway/`: a folder of `save_pathway`, of torch's own encoder.
`study/`, `comparison/`: with results of every run.
`recipes.yaml`: every shipped recipe as `recipe.yaml` of a run has it, one document each.

`splits.json`: ids of every part of every shipped set, as digests (`splits.py`); real sets are read below
`CROSSPATH_DATA`, and keep their digests where it is not set.

Folders are kept small by a size of encoder that is not shipped: `small_encoders` narrows `micro` to 16 wide, 2 blocks,
2 heads, here and in the tests that read them.
"""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from torch import nn

import crosspath

# The package above is that of PYTHONPATH, the tests below are those beside this file.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.golden import runs, splits

HERE = Path(__file__).resolve().parent
DIGESTS = HERE / "digests.json"
SPLITS = HERE / "splits.json"
SMALL: dict[str, Any] = {**runs.ALWAYS, "data.labels_per_class": 4, "model.drop_path": 0.1, "train.checkpoint_every": 1}
TARGET: dict[str, Any] = {**SMALL, "pathway.scale_init": 0.1, "augment.mixup": 0.4, "train.ema_decay": 0.9}
SHORT = (
    "train.epochs=1",
    "data.labels_per_class=4",
    "train.batch_size=16",
    "train.loggers=[]",
    "train.device=cpu",
    "train.precision=float32",
    "train.checkpoint_every=null",
)


class CutError(Exception):
    """The end of a process."""


class CutAfterEpoch:
    """A listener that ends the run when the first step of the second epoch is done."""

    def __init__(self) -> None:
        self.epochs = 0

    def say(self, text: str) -> None:
        """Nothing."""

    def preparing(self, done: int, total: int) -> None:
        """Nothing."""

    def training(self, total: int, done: int) -> None:
        """Nothing."""

    def step(self, loss: float, samples_per_s: float) -> None:
        """The end, in the second epoch."""
        if self.epochs == 1:
            raise CutError

    def epoch(self, epoch: int, epochs: int, loss: float, metrics: Mapping[str, float], samples_per_s: float) -> None:
        """Count it."""
        self.epochs = epoch


@contextmanager
def small_encoders() -> Iterator[None]:
    """`micro` is 16 wide and has two blocks, so that a checkpoint has some ten kilobytes."""
    from crosspath.models.sizes import SIZES, Size

    before = SIZES["micro"]
    SIZES["micro"] = Size(16, 2, 2)
    try:
        yield
    finally:
        SIZES["micro"] = before


def auxiliary_recipe() -> Any:
    """Of `auxiliary/`."""
    return runs.with_settings(crosspath.recipe_named("audio/sounds"), {**SMALL, "train.checkpoint_every": None})


def target_recipe() -> Any:
    """Of `stopped/` and `finished/`."""
    return runs.with_settings(crosspath.recipe_named("image/digits"), TARGET)


def encoder(seed: int) -> nn.Module:
    """torch's own encoder, two layers of 8 wide, its weights drawn by a seed."""
    layer = nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True, norm_first=True)
    model = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return model


def tokens() -> torch.Tensor:
    """What goes through `encoder` (2, 5, 8)."""
    return torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(9))


def write_table(scratch: Path) -> dict[str, Any]:
    """The golden runs."""
    return {
        name: runs.entry_of(name, scratch / "runs", runs.carry_out(name, scratch / "runs", scratch / "data"))
        for name in runs.RUNS
    }


def write_folders(scratch: Path) -> dict[str, Any]:
    """All folders, and what they lead to: outputs, metrics and digests."""
    from crosspath.config import recipe_to_text
    from crosspath.recipes import PRETRAINING, RECIPES

    shipped = [make() for table in (RECIPES, PRETRAINING) for make in table.values()]
    (HERE / "recipes.yaml").write_text("---\n".join(map(recipe_to_text, shipped)), encoding="utf-8")

    with small_encoders():
        crosspath.train(auxiliary_recipe(), out=scratch / "auxiliary", progress=False)
        auxiliaries = {"audio": scratch / "auxiliary"}
        finished = crosspath.train(target_recipe(), out=scratch / "finished", auxiliaries=auxiliaries, progress=False)
        with suppress(CutError):
            crosspath.train(target_recipe(), out=scratch / "stopped", auxiliaries=auxiliaries, progress=CutAfterEpoch())
        evaluated = crosspath.evaluate(scratch / "finished", split="test")
        crosspath.merge_checkpoint(scratch / "finished", scratch / "merged")
        write_studies(scratch)

    target = encoder(0)
    crosspath.connect(
        target,
        {"first": encoder(1), "second": encoder(2)},
        scale_init=0.3,
        scale_per="head",
    )
    crosspath.save_pathway(target, scratch / "pathway")
    with torch.no_grad():
        output = target(tokens())
    crosspath.merge(target)
    for name in ("auxiliary", "stopped", "finished", "pathway", "study", "comparison"):
        shutil.rmtree(HERE / name, ignore_errors=True)
        shutil.copytree(scratch / name, HERE / name, ignore=shutil.ignore_patterns(".lock", "report.html"))
    shutil.rmtree(HERE / "certified", ignore_errors=True)
    with small_encoders():  # in place, since a certificate names files by relative paths
        crosspath.merge_checkpoint(HERE / "finished", HERE / "certified", verify=True)
    return {
        "finished": runs.entry_of("finished", scratch, finished),
        "evaluate": evaluated["metrics"],
        "merge": runs.digest_of(runs.read_tensors(scratch / "merged" / "model.safetensors")),
        "pathway": {"output": output.flatten().tolist(), "merged": runs.digest_of(target.state_dict())},
        "written in": str(scratch),
    }


class Here:
    """A pool that does its work at once, in this process."""

    size = 1

    def submit(self, job: Any, place: Any) -> "Future[Any]":
        """One run."""
        from crosspath.study.jobs import run_job

        future: Future[Any] = Future()
        future.set_result(run_job(job, place))
        return future


@contextmanager
def in_this_process() -> Iterator[None]:
    """Studies carry out their runs here, where `small_encoders` holds, instead of in processes of their own."""
    from crosspath.study import study as module

    @contextmanager
    def here(workers: int) -> Iterator[Here]:
        yield Here()

    before = module.local_pool
    module.local_pool = here  # type: ignore[assignment]
    try:
        yield
    finally:
        module.local_pool = before


def write_studies(scratch: Path) -> None:
    """A study with a search of two rates, and a comparison."""
    tree = {
        "name": "golden",
        "targets": {"image/digits": {}},
        "auxiliaries": {"sounds": "auxiliary"},
        "arms": ["none", "pathway"],
        "seeds": 3,
        "search": {"rates": [0.001, 0.002], "seeds": 1},
        "settings": SHORT,
    }
    (scratch / "golden.yaml").write_text(json.dumps(tree), encoding="utf-8")
    with in_this_process():
        crosspath.run_study(scratch / "golden.yaml", out=scratch / "study", command="golden", progress=False)
        crosspath.compare(
            "image/digits",
            auxiliaries={"sounds": scratch / "auxiliary"},
            out=scratch / "comparison",
            seeds=2,
            rates=(0.001,),
            settings=SHORT,
            command="golden",
            progress=False,
        )


def write_splits(scratch: Path) -> None:
    """The golden splits."""
    table = json.loads(SPLITS.read_text(encoding="utf-8")) if SPLITS.exists() else {}
    for name, described in splits.SPLITS.items():
        root = None
        if described.real:
            if "CROSSPATH_DATA" not in os.environ:
                continue
            root = Path(os.environ["CROSSPATH_DATA"])
        elif described.write is not None:
            root = scratch / "sets" / name
            root.mkdir(parents=True)
            described.write(root)
        table[name] = splits.split_of(name, root)
    SPLITS.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


def main(parts: list[str]) -> None:
    """Write the parts that are named, or all of them."""
    sys.stdout.write(f"written by {crosspath.__file__}\n")
    scratch = Path(tempfile.gettempdir()) / "golden"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    os.environ["CROSSPATH_CACHE"] = str(scratch / "cache")
    known = json.loads(DIGESTS.read_text(encoding="utf-8")) if DIGESTS.exists() else {}
    if "table" in parts or "folders" in parts:
        known["machine"] = runs.machine()
    with runs.one_thread():
        if "table" in parts:
            known["runs"] = write_table(scratch)
        if "folders" in parts:
            known["folders"] = write_folders(scratch)
        if "splits" in parts:
            write_splits(scratch)
    DIGESTS.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:] or ["table", "folders", "splits"])
