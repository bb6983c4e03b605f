"""The parsers that are the package's own, each on one file or on its bytes."""

import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from crosspath.checkpoints.foreign import inspect_checkpoint
from crosspath.checkpoints.foreign.opcodes import read_pickle
from crosspath.config import apply_overrides
from crosspath.config.files import recipe_from_text
from crosspath.config.yaml_text import parse_yaml
from crosspath.data.arrays import load_array
from crosspath.data.items import DamageError
from crosspath.data.readers.audio_lists import read_list
from crosspath.data.readers.cloud_text import read_text_cloud
from crosspath.data.readers.meshes import read_mesh
from crosspath.data.readers.pcd import read_pcd
from crosspath.data.readers.sound_header import read_sound_header
from crosspath.data.shards.index import read_index
from crosspath.data.table_rows import read_table
from crosspath.data.text_files import class_names, decode_text
from crosspath.errors import InputError
from crosspath.files import read_json, read_tensors
from crosspath.pathway.anatomy.slot import Slot
from crosspath.recipes import recipe_named
from tests.soak.corpora import KINDS
from tests.soak.folders import FOLDERS


@dataclass(frozen=True)
class Parser:
    """One parser: it returns, or raises `InputError` or `DamageError`."""

    read: Callable[[Path, bytes], object]
    kinds: tuple[str, ...] = ()
    """Whose whole files are the first inputs."""
    suffix: str = ""
    on_disk: bool = True
    texts: tuple[str, ...] = ()
    """Further first inputs."""

    def examples(self) -> list[bytes]:
        """The first inputs."""
        contents = [text.encode() for text in self.texts]
        for kind in self.kinds:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, kind)
                {**FOLDERS, **KINDS}[kind][0](path)
                contents.append(path.read_bytes())
        return contents


def quiet() -> AbstractContextManager[None]:
    """What a parser may say: that the input is bad, in a line."""
    return suppress(InputError, DamageError)


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace")


def _slot(path: Path, content: bytes) -> None:
    with suppress(ValueError):
        Slot.read(_text(content))


BASE = recipe_named("image/cifar10")
SOUNDS = ("sound.wav", "sound.aiff", "sound.au", "sound.caf", "sound.w64", "sound.rf64")
PARSERS: dict[str, Parser] = {
    "pcd": Parser(lambda path, _: read_pcd(path), ("cloud.pcd",), ".pcd", True, ("FIELDS x y z\nSIZE 4 4 4\n",)),
    "off": Parser(lambda path, _: read_mesh(path, 8), ("mesh.off",), ".off"),
    "obj": Parser(lambda path, _: read_mesh(path, 8), ("mesh.obj",), ".obj"),
    "ply": Parser(lambda path, _: read_mesh(path, 8), ("mesh.ply",), ".ply"),
    "cloud text": Parser(
        lambda path, _: read_text_cloud(path), ("cloud.xyz",), ".xyz", True, ("x;y;z\n1,5;2;3\n", "2\n1 2 3\n4 5 6\n")
    ),
    "npy": Parser(lambda path, _: load_array(path), ("cloud.npy",), ".npy"),
    "sound header": Parser(lambda _, content: read_sound_header(content), SOUNDS, on_disk=False),
    "opcodes": Parser(lambda _, content: read_pickle(content, "a pickle"), ("model.pkl",), on_disk=False),
    "inspect": Parser(lambda path, _: inspect_checkpoint(path), ("model.pth", "old.pth", "model.safetensors"), ".pth"),
    "safetensors": Parser(lambda path, _: read_tensors(path), ("model.safetensors",), ".safetensors"),
    "json": Parser(lambda path, _: read_json(path), ("config.json",), ".json"),
    "yaml": Parser(
        lambda _, content: parse_yaml(_text(content), "text"),
        ("recipe.yaml",),
        on_disk=False,
        texts=("a: &b [*b]", "- 2020-01-01"),
    ),
    "recipe": Parser(lambda _, content: recipe_from_text(_text(content), "a recipe"), ("recipe.yaml",), on_disk=False),
    "overrides": Parser(
        lambda _, content: apply_overrides(BASE, _text(content).split("\n")), ("overrides.txt",), on_disk=False
    ),
    "table": Parser(lambda path, _: list(read_table(path, ("file", "label"))), ("labels.csv",), ".csv"),
    "class names": Parser(lambda path, content: class_names(path, content), texts=("cat\ndog\n",), on_disk=False),
    "text": Parser(lambda _, content: decode_text(content, "a file", "text"), ("labels.csv",), on_disk=False),
    "recordings": Parser(lambda path, _: list(read_list(path, "train")), ("recordings.json",), ".json"),
    "shard": Parser(lambda _, content: read_index(BytesIO(content), "a tar", ("png",)), ("shard.tar",), on_disk=False),
    "slot": Parser(_slot, on_disk=False, texts=("blocks.0.attn.qkv.weight[:, 0:8 of 2 groups]",)),
}
