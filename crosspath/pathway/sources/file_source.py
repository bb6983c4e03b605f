"""Auxiliary weights in a safetensors file, or in several that an index lists, with what stands beside them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from crosspath.errors import PathwayError, raise_as_pathway_error
from crosspath.files import SAFETENSORS, check_beside_manifest, read_json
from crosspath.layouts import Norm
from crosspath.pathway.sources.description import Description, read_description
from crosspath.pathway.sources.heads import Heads


@dataclass(frozen=True)
class FileSource:
    """One or several safetensors files: shapes from their headers, values read one by one."""

    file: Path
    """The file itself, or the index of several."""
    files: Mapping[str, Path]
    """{weight: the file that holds it}."""
    description: Description | None

    @property
    def origin(self) -> str:
        return str(self.file)

    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {}
        for file in dict.fromkeys(self.files.values()):
            with safe_open(file, framework="pt") as reader:
                shapes |= {name: tuple(reader.get_slice(name).get_shape()) for name in reader.keys()}  # noqa: SIM118
        return {name: shapes[name] for name in self.files}

    def tensor(self, name: str) -> Tensor:
        with safe_open(self.files[name], framework="pt") as reader:
            value = reader.get_tensor(name)
        assert isinstance(value, Tensor)
        return value

    def kind(self, name: str) -> str:
        with safe_open(self.files[name], framework="pt") as reader:
            return str(reader.get_slice(name).get_dtype())

    def attribute(self, path: str) -> object:
        return None if self.description is None else self.description.attribute(path)

    def heads(self, block: str, attention: str) -> Heads | None:
        return None if self.description is None else self.description.heads(block)

    def norm(self, block: str) -> Norm | None:
        return None if self.description is None else self.description.norm(block)


def open_file(path: Path) -> FileSource:
    """The weights of a safetensors file, or of all files that an index lists, with the config beside it.

    Raises
    ------
    PathwayError
        For a damaged file, index or config, for a file that differs from a manifest beside it, and for an index
        that names what is not there.
    """
    if not path.name.endswith(".index.json"):
        with raise_as_pathway_error():
            check_beside_manifest(path)
        names, metadata = _header(path)
        return FileSource(path, dict.fromkeys(names, path), read_description(path, metadata))
    with raise_as_pathway_error():
        weights = read_json(path).get("weight_map")
    if not isinstance(weights, dict) or not all(isinstance(name, str) for name in weights.values()):
        raise PathwayError(path, "a `weight_map` of weights and files", "none", "copy the folder again")
    names_of: dict[str, set[str]] = {}
    for name in dict.fromkeys(weights.values()):
        # An index may name neighbours only: nothing outside the folder is read.
        if Path(name).name != name or Path(name).suffix != SAFETENSORS or not (path.parent / name).is_file():
            raise PathwayError(path, "the files that it lists beside it", f"no {name}", "copy the folder again")
        names_of[name] = set(_header(path.parent / name)[0])
    missing = [weight for weight, name in weights.items() if weight not in names_of[name]]
    if missing:
        found = f"none in {weights[missing[0]]}"
        raise PathwayError(path, f"the weight {missing[0]}", found, "copy the folder again")
    unlisted = next((weight for names in names_of.values() for weight in sorted(names) if weight not in weights), None)
    if unlisted is not None:
        raise PathwayError(path, "every weight of the files that it lists", f"no {unlisted}", "copy the folder again")
    return FileSource(
        path, {weight: path.parent / name for weight, name in weights.items()}, read_description(path, {})
    )


def _header(path: Path) -> tuple[list[str], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as reader:
            return list(reader.keys()), dict(reader.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise PathwayError(path, "a safetensors file", f"damage ({error})", "copy it again") from None
