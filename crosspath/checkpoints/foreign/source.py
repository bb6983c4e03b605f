"""Finds a foreign file, the settings beside it, and the model among its tensors."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from crosspath.checkpoints.foreign.containers import Contents, read_contents
from crosspath.checkpoints.foreign.translation import Foreign, unwrap
from crosspath.checkpoints.save import PATHWAY_FILES, RECIPE, WEIGHTS
from crosspath.config import Recipe, read_recipe, recipe_from_text
from crosspath.errors import InputError
from crosspath.objectives import objective_of
from crosspath.pathway.sources.description import CONFIG_OF
from crosspath.pickles import require_file

WEIGHT_FILES = (WEIGHTS, "pytorch_model.bin")
"""In a folder of timm or transformers; the first that exists is read."""
CONFIG = "config.json"


@dataclass(frozen=True)
class Source:
    """A foreign file and the settings beside it."""

    file: Path
    config: Path | None
    """The `config.json` that describes it; none of open_clip's weights, whose config is another."""
    contents: Contents


def find_source(path: str | Path) -> Source:
    """The foreign file at a path or in a folder of timm or transformers.

    Raises `InputError` for this library's own checkpoints, and for a file or folder that holds no weights.
    """
    path = Path(path)
    if path.is_dir():
        file = next((path / name for name in WEIGHT_FILES if (path / name).is_file()), None)
        if file is not None and (path / RECIPE).is_file():
            raise _own(path, read_recipe(path / RECIPE))
        if file is None:
            found, todo = "neither", "name the file"
            if any(path.glob("*.index.json")):
                found, todo = "one in parts", "save it with one file (max_shard_size in transformers)"
            raise InputError(path, f"a folder with {' or '.join(WEIGHT_FILES)}", found, todo)
        path = file
    require_file(path, "a file with weights")
    config = path.parent / CONFIG
    has_config = owns_config(path) and CONFIG in CONFIG_OF.get(path.name, (CONFIG,))
    return Source(path, config if has_config and config.is_file() else None, read_contents(path))


def owns_config(file: Path) -> bool:
    """Whether the config in a file's folder is its own; a file of another name is taken for a guest."""
    return file.name in (*WEIGHT_FILES, *CONFIG_OF)


def select_model(source: Source, tensors: Mapping[str, Tensor], key: str | None) -> Foreign:
    """The model's tensors among those of the file, under plain names.

    Raises `InputError` for this library's own checkpoints, and for a `key` that the file does not have.
    """
    if "recipe" in source.contents.metadata:
        raise _own(source.file, recipe_from_text(source.contents.metadata["recipe"], source.file))
    if key is not None:
        own = {name: tensor for name, tensor in tensors.items() if name.startswith(f"{key}.")}
        if not own:
            entries = ", ".join(dict.fromkeys(name.partition(".")[0] for name in tensors))
            raise InputError(f"--key {key}", f"an entry of {source.file}", f"only {entries}", "choose among them")
        foreign = unwrap(source.file, {name[len(key) + 1 :]: tensor for name, tensor in own.items()}, source.config)
        others = {name: "beside the model" for name in tensors if name not in own}
        return Foreign(
            source.file,
            foreign.tensors,
            source.config,
            {name: f"{key}.{full}" for name, full in foreign.full_names.items()},
            leftovers=others | {f"{key}.{name}": reason for name, reason in foreign.leftovers.items()},
        )
    return unwrap(source.file, tensors, source.config)


def _own(path: Path, recipe: Recipe) -> InputError:
    """What a checkpoint of this library is, and which verbs take it."""
    folder = path if path.is_dir() else path.parent
    has_pathways = path.name in (folder.name, WEIGHTS) and all((folder / name).is_file() for name in PATHWAY_FILES)
    verbs = ["evaluate", "predict", "export"] if objective_of(recipe).labelled else []
    verbs += ["status", "merge"] if has_pathways else []
    kind = (
        f"crosspath's own, of {recipe.name} ({objective_of(recipe).verb}ed{', with pathways' if has_pathways else ''})"
    )
    commands = f"crosspath {'|'.join(verbs)} {path}, or " if verbs else ""
    todo = f"use it without conversion: {commands}crosspath train RECIPE, where --from or --auxiliary NAME= take it"
    return InputError(path, "a checkpoint of another library", kind, todo)
