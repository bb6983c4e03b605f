"""Generated samples of every modality in tar files, written by WebDataset itself."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from webdataset import TarWriter

from tests.data.files import write_clip, write_cloud, write_image, write_sound


def _short_clip(path: Path, seed: int) -> None:
    write_clip(path, [seed, 60, 200])


MEMBERS: dict[str, tuple[str, Callable[[Path, int], None]]] = {
    "image": ("jpg", write_image),
    "audio": ("flac", write_sound),
    "point": ("npy", write_cloud),
    "video": ("mp4", _short_clip),
}


def write_shards(
    folder: Path,
    modality: str,
    *,
    names: Sequence[str] = ("train-000.tar", "train-001.tar"),
    per_shard: int = 6,
    classes: int = 2,
    labels: Callable[[int], Any] | None = None,
    kind: str | None = None,
) -> list[Path]:
    """Tars of samples `<shard><number>.<kind>` and `.cls`, class numbers in turn; or `.json` with `labels(number)`."""
    folder.mkdir(parents=True, exist_ok=True)
    usual, write = MEMBERS[modality]
    suffix = kind or usual
    paths = []
    for place, name in enumerate(names):
        with TarWriter(str(folder / name)) as tar:
            for number in range(per_shard):
                file = folder / f"sample.{suffix}"
                write(file, 10 * place + number)
                sample = {"__key__": f"{place}{number:04d}", suffix: file.read_bytes()}
                if labels is None:
                    sample["cls"] = str(number % classes).encode()
                else:
                    sample["json"] = {"labels": labels(number)}
                tar.write(sample)
                file.unlink()
        paths.append(folder / name)
    return paths
