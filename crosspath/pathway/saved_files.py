"""The files of a saved connected model: read, and checked to be of one save."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor

from crosspath.errors import PathwayError, raise_as_pathway_error
from crosspath.files import read_json, read_tensors, sha256_of_tensors
from crosspath.pathway.save import DESCRIPTION, FORMAT_VERSIONS, PATHWAYS, TARGET

Tensors = Mapping[str, Tensor]


def read_pathway_files(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor], dict[str, Tensor]]:
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


@contextmanager
def damage_as_error(file: Path) -> Iterator[None]:
    """Raise what entries of another form lead to, in a description that is read inside, as a `PathwayError`."""
    try:
        yield
    except PathwayError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError) as error:
        raise PathwayError(file, "a complete description", f"damage ({error!r})", "save it again") from None


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
    unknown = [name for name in values if name not in description["auxiliaries"]]
    if unknown:
        expected = f"an entry of `auxiliaries` for {unknown[0]}"
        raise PathwayError(folder / DESCRIPTION, expected, "none", "save it again")
    for name, entry in description["auxiliaries"].items():
        if sha256_of_tensors(sorted(values.get(name, {}).items())) == entry["sha256_of_values"]:
            continue
        if entry["stored"]:
            expected = f"the values of auxiliary {name} as they were saved (sha256)"
            raise PathwayError(folder / PATHWAYS, expected, "others", "save it again")
        expected = f"the frozen auxiliary {name} that it was saved with (sha256)"
        raise PathwayError(folder, expected, "one of other values", "use the right one")
