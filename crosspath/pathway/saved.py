"""The folder of a saved connected model: its files, its description, and the digests that keep them together.

A folder holds `model.safetensors` (the target alone, plain names), `pathway.safetensors` (λ, and each W' that is not
saved by reference) and `pathway.json`:

- `format_version`
- `sha256_of_target`, `sha256_of_scales`: of the tensors that belong together; λ and W' mean nothing beside another W
- `auxiliaries`: {name: where it came from, how it was connected, whether its values are stored, their sha256}
- `layers`: {target weight: {name: row segments, axis and runs of λ, the pieces W' was cut from, type, owner of λ, what
  trains}}; from version 2 on also `along`, `groups` and `repeats`, where they are not 0, 1 and 1

A folder has version 1 where that suffices, so that older releases can load it.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from crosspath.errors import PathwayError, raise_as_pathway_error
from crosspath.files import read_json, read_tensors, sha256_of_tensors
from crosspath.pathway.spread import DEFAULTS, Spread

FORMAT_VERSIONS = (1, 2)
TARGET, PATHWAYS, DESCRIPTION = "model.safetensors", "pathway.safetensors", "pathway.json"

Tensors = Mapping[str, Tensor]


def format_version(spreads: Iterable[Spread]) -> int:
    """The oldest version whose readers understand these."""
    return 2 if any(DEFAULTS.keys() & spread.to_json().keys() for spread in spreads) else 1


def read_saved(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor], dict[str, Tensor]]:
    """The description, the target's tensors, and λ with the stored W'; tensors are mapped from their files.

    Raises
    ------
    PathwayError
        For a missing or damaged file, a pickle, and a description of another format version.
    """
    path = folder / DESCRIPTION
    with raise_as_pathway_error():
        description = read_json(path)
        version = description.get("format_version")
        if version not in FORMAT_VERSIONS:
            expected = f"format_version {' or '.join(map(str, FORMAT_VERSIONS))}"
            raise PathwayError(path, expected, repr(version), "use a version of crosspath that reads it")
        plain, tensors = (read_tensors(folder / name, mapped=True)[0] for name in (TARGET, PATHWAYS))
    return description, plain, tensors


def check_digests(
    folder: Path, description: Mapping[str, Any], plain: Tensors, scales: Tensors, values: Mapping[str, Tensors]
) -> None:
    """Raise `PathwayError` unless target, λ and W' are those that were saved together.

    `values` has every W' of each auxiliary: {auxiliary: {target weight: W'}}.
    """
    for part, file, tensors in (("target", TARGET, plain), ("scales", PATHWAYS, scales)):
        if sha256_of_tensors(sorted(tensors.items())) != description[f"sha256_of_{part}"]:
            expected = f"the values saved beside {DESCRIPTION} (sha256)"
            raise PathwayError(folder / file, expected, "others", "use files of one save")
    for name, entry in description["auxiliaries"].items():
        if sha256_of_tensors(sorted(values.get(name, {}).items())) == entry["sha256_of_values"]:
            continue
        if entry["stored"]:
            expected = f"the values of auxiliary {name} as they were saved (sha256)"
            raise PathwayError(folder / PATHWAYS, expected, "others", "save it again")
        expected = f"the frozen auxiliary {name} that it was saved with (sha256)"
        raise PathwayError(folder, expected, "one of other values", "use the right one")
