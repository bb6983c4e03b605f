"""Folders and tables that the package reads: one of their files is mutated, and what reads them must read or refuse.

The folders are the golden ones. Manifests with digests are left out but for their own kind: they would refuse every
change before anything else saw it.
"""

import io
import json
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import soundfile
import torch
from PIL import Image
from safetensors.torch import save_file

import crosspath
from crosspath.checkpoints import auxiliary_source
from crosspath.checkpoints.sharing.certificate import with_digest
from crosspath.config import apply_overrides
from crosspath.config.data import AudioData, ImageData
from crosspath.config.yaml_text import parse_yaml
from crosspath.data.items import DamageError
from crosspath.data.readers.audio_lists import class_table, read_list
from crosspath.data.shards.index import read_index
from crosspath.modalities.load import load_data
from crosspath.recipes import recipe_named
from crosspath.study.definition import read_study
from crosspath.study.plan import comparisons
from crosspath.study.results import write_results
from tests.golden import write as golden
from tests.soak.corpora import PIXELS, WAVE
from tests.training.test_resume import CutAfter, CutError

WRITTEN_IN: str = json.loads(golden.DIGESTS.read_text(encoding="utf-8"))["folders"]["written in"]
"""Where the golden folders were when their paths were recorded."""
FINAL = "runs/image-digits/labels-all/pathway-sounds/final/lr-0.002-seed-1"


def copy_golden(path: Path, part: str, file: str, drop_manifests: bool = True) -> None:
    """A copy of a golden folder beside `path`, as if `path` were its `file`; `path` gets the content of it."""
    home = path.parent / "golden"
    shutil.copytree(golden.HERE, home, ignore=shutil.ignore_patterns("*.py", "__pycache__", "comparison"))
    for text_file in [*home.rglob("inputs.json"), *home.rglob("study.yaml")]:
        text = text_file.read_text(encoding="utf-8")
        text_file.write_text(text.replace(WRITTEN_IN, str(home)), encoding="utf-8")
    for folder in (home / "certified", home / "finished", *(home / "study").rglob("final/*")) if drop_manifests else ():
        (folder / "manifest.json").unlink(missing_ok=True)
    shutil.copy(home / part / file, path)


def in_place(part: str, file: str, read: Callable[[Path], object]) -> Callable[[Path], None]:
    """Puts the changed file where it belongs, and reads the folder `part`."""

    def reader(path: Path) -> None:
        home = path.parent / "golden"
        shutil.copy(path, home / part / file)
        read(home / part)

    return reader


def load(folder: Path) -> None:
    with golden.small_encoders():
        crosspath.load_checkpoint(folder)


def status(folder: Path) -> None:
    with golden.small_encoders():
        print(crosspath.checkpoint_status(folder))  # noqa: T201 - the table is made when it is printed


def merge(folder: Path) -> None:
    """All that a merge reads, and its card."""
    out = folder.parent / "merged"
    shutil.rmtree(out, ignore_errors=True)
    with golden.small_encoders():
        crosspath.merge_checkpoint(folder, out)


def load_pathway(folder: Path) -> None:
    sources = {"first": golden.encoder(1), "second": golden.encoder(2)}
    crosspath.load_pathway(golden.encoder(3), folder, sources)


def verify(folder: Path) -> None:
    """The certificate with the digest of what it says now."""
    path = folder / "certificate.json"
    with suppress(ValueError, AttributeError, RecursionError):
        values = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps(with_digest(values)), encoding="utf-8")
    with golden.small_encoders():
        crosspath.verify(folder)


def resume(folder: Path) -> None:
    """The first step of a resumed run, in a copy: a run changes its folder."""
    copy = folder.parent / "resumed"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
    state = copy / "checkpoints" / "00000003"
    # Without digests of the state: whoever changes it by hand changes them too.
    with suppress(ValueError, RecursionError, AttributeError, KeyError, TypeError):
        manifest = json.loads((state / "manifest.json").read_text())
        for name in ("state.json", "state.safetensors"):
            del manifest["files"][name]
        (state / "manifest.json").write_text(json.dumps(manifest))
    recipe = apply_overrides(golden.target_recipe(), ["train.workers=0"])
    with golden.small_encoders():
        try:
            auxiliaries = {"audio": folder.parent / "auxiliary"}
            crosspath.train(recipe, out=copy, auxiliaries=auxiliaries, progress=CutAfter(1), resume=True)
        except CutError:
            pass


def result_again(folder: Path) -> None:
    """What a finished run answers when it is asked to resume."""
    with golden.small_encoders():
        auxiliaries = {"audio": folder.parent / "auxiliary"}
        crosspath.train(golden.target_recipe(), out=folder, auxiliaries=auxiliaries, progress=False, resume=True)


def plan_study(folder: Path) -> None:
    for comparison in comparisons(read_study(folder / "study.yaml")):
        for cell in (comparison.none, *comparison.others):
            cell.recipe(1e-3, 0, search=False)


GOLDEN_FILES: dict[str, tuple[str, str, Callable[[Path], object], bool]] = {
    "finished manifest.json": ("finished", "manifest.json", load, False),
    "finished recipe.yaml": ("finished", "recipe.yaml", load, True),
    "finished pathway.json": ("finished", "pathway.json", status, True),
    "finished pathway.json merged": ("finished", "pathway.json", merge, True),
    "finished result.json": ("finished", "result.json", load, True),
    "finished result.json again": ("finished", "result.json", result_again, False),
    "finished pathway.safetensors": ("finished", "pathway.safetensors", load, True),
    "finished inputs.json": ("finished", "inputs.json", result_again, False),
    "certified merge.json": ("certified", "merge.json", load, True),
    "certified certificate.json": ("certified", "certificate.json", verify, True),
    "certified certificate.safetensors": ("certified", "certificate.safetensors", verify, True),
    "stopped state.json": ("stopped", "checkpoints/00000003/state.json", resume, True),
    "stopped state.safetensors": ("stopped", "checkpoints/00000003/state.safetensors", resume, True),
    "stopped manifest.json": ("stopped", "checkpoints/00000003/manifest.json", resume, True),
    "stopped recipe.yaml": ("stopped", "recipe.yaml", resume, True),
    "stopped inputs.json": ("stopped", "inputs.json", resume, True),
    "stopped log.jsonl": ("stopped", "log.jsonl", resume, True),
    "pathway.json": ("pathway", "pathway.json", load_pathway, True),
    "pathway.safetensors": ("pathway", "pathway.safetensors", load_pathway, True),
    "study.yaml planned": ("study", "study.yaml", plan_study, True),
    "study.yaml reported": ("study", "study.yaml", write_results, True),
    "study auxiliaries.json": ("study", "auxiliaries.json", write_results, True),
    "study result.json": ("study", f"{FINAL}/result.json", write_results, True),
    "study log.jsonl": ("study", f"{FINAL}/log.jsonl", write_results, True),
    "study examples.json": ("study", "examples/image-digits-labels-all-none.json", write_results, True),
}
"""{kind: (golden folder, file in it, what reads the folder, without manifests)}."""


def picture() -> bytes:
    """A small PNG."""
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, "PNG")
    return file.getvalue()


def write_table(path: Path) -> None:
    """A table of ten recordings in two classes."""
    (path.parent / "set").mkdir(exist_ok=True)
    for number in range(10):
        soundfile.write(path.parent / "set" / f"{number}.wav", WAVE, 16000)
    rows = [f"{number}.wav,{'cat' if number % 2 else 'dog'}" for number in range(10)]
    path.write_text("\n".join(["file,label", *rows]) + "\n")


def read_labels(path: Path) -> None:
    folder = path.parent / "set"
    shutil.copy(path, folder)
    section = AudioData(frames=8, mels=8, csv=path.name, folder=folder, cache_folder=path.parent / "cache")
    load_data(section, None, 0)


def write_shard(path: Path) -> None:
    """A tar of two pictures with their labels."""
    with tarfile.open(path, "w") as archive:
        for number in range(2):
            for kind, content in (("png", picture()), ("cls", b"1"), ("json", b'{"labels": [0]}')):
                info = tarfile.TarInfo(f"{number}.{kind}")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))


def read_shard(path: Path) -> None:
    with path.open("rb") as file, suppress(DamageError):
        read_index(file, str(path), ("png",))


def write_zip(path: Path) -> None:
    """A zip of two class folders."""
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(20):
            archive.writestr(f"{'cat' if number % 2 else 'dog'}/{number}.png", picture())


def read_zip(path: Path) -> None:
    cache = path.parent / "cache"
    section = ImageData(dataset="folder", folder=path, image_size=8, cache_folder=cache, skip_damaged=True)
    load_data(section, None, 0)


def write_index(path: Path) -> None:
    """Weights in two files, with transformers' index."""
    names = {"blocks.0.attn.qkv.weight": "a.safetensors", "blocks.0.mlp.fc1.weight": "b.safetensors"}
    for name, file in names.items():
        save_file({name: torch.ones(6, 2)}, path.parent / file)
    config = {"model_type": "vit", "hidden_size": 2, "num_attention_heads": 1, "hidden_act": "gelu"}
    (path.parent / "config.json").write_text(json.dumps(config))
    path.write_text(json.dumps({"metadata": {"total_size": 96}, "weight_map": names}))


def write_config(path: Path) -> None:
    """A configuration beside weights."""
    (path.parent / "model").mkdir(exist_ok=True)
    save_file(
        {"encoder.layer.0.attention.attention.query.weight": torch.ones(4, 4)},
        path.parent / "model" / "model.safetensors",
    )
    architecture = {"architecture": "vit_tiny_patch16_224", "model_args": {"depth": 2, "num_heads": 2}}
    values = {"model_type": "vit", "hidden_size": 4, "num_attention_heads": 2, "layer_norm_eps": 1e-6, **architecture}
    path.write_text(json.dumps({**values, "vision_config": {"num_attention_heads": 2, "hidden_act": "gelu"}}))


def read_config(path: Path) -> None:
    shutil.copy(path, path.parent / "model" / "config.json")
    auxiliary_source(path.parent / "model")
    with_heads = crosspath.pathway.sources.description.describe_neighbour(path.parent / "model" / "model.safetensors")
    if with_heads is not None:
        for name in ("encoder.layer.0", "vision_model.0", ""):
            with_heads.heads(name), with_heads.norm(name), with_heads.width(name)


def write_list(path: Path) -> None:
    """AudioSet's list."""
    path.write_text(json.dumps({"data": [{"wav": f"{n}.wav", "labels": "/m/a,/m/b"} for n in range(3)]}))


OVERRIDES = (
    "train.epochs=3",
    "optimizer.lr=1e-3",
    "model.tokenizer.patch=[8, 8]",
    "data.folder=null",
    "augment.mixup=0.5",
)


def write_overrides(path: Path) -> None:
    path.write_text("\n".join(OVERRIDES))


def read_overrides(path: Path) -> None:
    text = path.read_bytes().decode("utf-8", "replace")
    parse_yaml(text, path)
    apply_overrides(recipe_named("image/cifar10"), text.split("\n"))


FOLDERS: dict[str, tuple[Callable[[Path], object], Callable[[Path], object]]] = {
    **{
        kind: (partial(copy_golden, part=part, file=file, drop_manifests=drop), in_place(part, file, read))
        for kind, (part, file, read, drop) in GOLDEN_FILES.items()
    },
    "labels.csv": (write_table, read_labels),
    "shard.tar": (write_shard, read_shard),
    "pictures.zip": (write_zip, read_zip),
    "model.safetensors.index.json": (write_index, lambda path: auxiliary_source(path.parent)),
    "config.json": (write_config, read_config),
    "recordings.json": (write_list, lambda path: list(read_list(path, "train"))),
    "classes.csv": (
        lambda path: path.write_text("index,mid,display_name\n0,/m/a,low\n1,/m/b,high\n"),
        lambda path: class_table(path),
    ),
    "overrides.txt": (write_overrides, read_overrides),
}
"""{kind: (what writes the file and all around it, what reads it)}."""
