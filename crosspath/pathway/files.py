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

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from crosspath.errors import PathwayError, raise_as_pathway_error
from crosspath.files import read_json
from crosspath.pathway.combine import Spread

FORMAT_VERSIONS = (1, 2)
TARGET, PATHWAYS, DESCRIPTION = "model.safetensors", "pathway.safetensors", "pathway.json"


def read_description(path: Path) -> dict[str, Any]:
    """The description in `pathway.json`. Raises `PathwayError` when there is none, or one of another version."""
    with raise_as_pathway_error():
        description = read_json(path)
    version = description.get("format_version")
    if version not in FORMAT_VERSIONS:
        expected = f"format_version {' or '.join(map(str, FORMAT_VERSIONS))}"
        raise PathwayError(path, expected, repr(version), "use a version of crosspath that reads it")
    return description


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
