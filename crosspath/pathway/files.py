"""The files of a saved connected model, each written whole or not at all. No pickle.

A folder holds `model.safetensors` (the target alone, plain names), `pathway.safetensors` (λ, and each W' that cannot be
had from elsewhere) and `pathway.json`:

- `format_version`
- `sha256_of_target`, `sha256_of_scales`: of the tensors that belong together; λ and W' mean nothing beside another W
- `auxiliaries`: {name: where it came from, how it was connected, whether its values are stored, their sha256}
- `layers`: {target weight: {name: row segments, axis and runs of λ, the pieces W' was cut from, type, owner of λ, what
  trains}}; from version 2 on also `along`, `groups` and `repeats`, where they are not 0, 1 and 1

A folder is version 1 where it can be, so that it goes on to load where only that is known.
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from crosspath.pathway.combine import Spread
from crosspath.pathway.errors import PathwayError
from crosspath.pathway.sources import refuse_pickle

FORMAT_VERSIONS = (1, 2)
TARGET, PATHWAYS, DESCRIPTION = "model.safetensors", "pathway.safetensors", "pathway.json"


def write_whole(path: Path, writer: Callable[[str], Any]) -> None:
    """Write to a temporary name in the same folder, flush to disk, rename."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        writer(str(temporary))
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        open_to_readers(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def open_to_readers(path: Path) -> None:
    """The permissions that the user's other new files get; safetensors makes files for their owner alone."""
    umask = os.umask(0)
    os.umask(umask)
    path.chmod(0o666 & ~umask)


def read_description(path: Path) -> dict[str, Any]:
    """The description in `pathway.json`. Raises `PathwayError` when there is none, or one of another version."""
    try:
        described: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PathwayError(f"{path}: expected the description of saved pathways, found none ({error})") from None
    if not isinstance(described, dict):
        raise PathwayError(f"{path}: expected the description of saved pathways, found other JSON; save it again")
    if described.get("format_version") not in FORMAT_VERSIONS:
        found, known = described.get("format_version"), " or ".join(map(str, FORMAT_VERSIONS))
        raise PathwayError(f"{path}: expected format_version {known}, found {found}; use a fitting version")
    return described


def described_spread(spread: Spread) -> dict[str, Any]:
    """How W' and λ lie on W, as the description of a layer holds it."""
    plain: dict[str, Any] = {
        "segments": [list(segment) for segment in spread.segments],
        "axis": spread.axis,
        "runs": [list(run) for run in spread.runs],
    }
    usual = Spread._field_defaults
    return plain | {name: getattr(spread, name) for name in usual if getattr(spread, name) != usual[name]}


def read_spread(entry: Mapping[str, Any], shape: tuple[int, ...]) -> Spread:
    """The spread that the description of a layer holds, for a target tensor of this shape. Raises `KeyError`,
    `TypeError`, `ValueError` or `IndexError` where it holds none.
    """
    usual = Spread._field_defaults
    along, groups, repeats = (int(entry.get(name, usual[name])) for name in ("along", "groups", "repeats"))
    if along not in (0, 1) or groups < 1 or repeats < 1 or shape[along] % groups:
        raise ValueError(f"along {along}, groups {groups} and repeats {repeats} do not fit {shape}")
    segments = tuple((int(start), int(stop)) for start, stop in entry["segments"])
    runs = tuple((int(first), int(last), int(count)) for first, last, count in entry["runs"])
    return Spread(segments, shape[along], int(entry["axis"]), runs, along, groups, repeats)


def format_version(spreads: Iterable[Spread]) -> int:
    """The oldest version whose readers understand these."""
    usual = tuple(Spread._field_defaults.values())
    return 1 if all((spread.along, spread.groups, spread.repeats) == usual for spread in spreads) else 2


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file. Raises `PathwayError` for a missing or damaged one, and for a pickle."""
    refuse_pickle(path)
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise PathwayError(f"{path}: expected a safetensors file, found {error}; save it again") from None
