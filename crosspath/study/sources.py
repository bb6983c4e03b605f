"""What `try` is told, made precise: the recipe of a folder, a name or a checkpoint, and where auxiliaries come from."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from crosspath.catalogue.recognise import guess_section, is_set_file, own_recipe, recognise_set, sections_of_set
from crosspath.checkpoints.load import auxiliary_source, load_checkpoint
from crosspath.checkpoints.save import WEIGHTS
from crosspath.checkpoints.sources import is_on_hub
from crosspath.config import Recipe, apply_overrides
from crosspath.errors import InputError
from crosspath.objectives import objective_of
from crosspath.pathway.arguments import NAME_IN_WORDS, is_name
from crosspath.recipes import PRETRAINING, RECIPES, recipe_named

PROCEDURAL = "procedural/dyck"
SHORTER = 10
"""Times as short as the recipe's are the epochs of procedural pretraining in a race."""
PICKLE = "pytorch_model.bin"
"""Refused as a checkpoint, by its name: no lidar scan, which has the same suffix."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is to be improved."""

    recipe: Recipe
    """With the user's settings."""
    data_root: Path | None
    """As for `train`."""
    checkpoint: Path | None = None
    """Its own starting weights, where it is a checkpoint."""


@dataclass(frozen=True, kw_only=True)
class AuxiliarySource:
    """Where the weights of one auxiliary come from."""

    name: str
    text: str
    """What the user named, with an absolute path."""
    checkpoint: str | None = None
    """A checkpoint or a model of a hub; None for one that is pretrained first."""
    recipe: Recipe | None = None
    """Its masked modelling, for one that is pretrained first."""
    data_root: Path | None = None
    kind: str | None = None
    """Its modality, or `procedural`; None where its files do not tell."""
    foreign: bool = False
    """Whether another library wrote the checkpoint."""


def find_target(text: str | Path, data_root: Path | None, settings: Iterable[str] = ()) -> Target:
    """The target behind a folder of samples, a checkpoint, a recipe's name, or a recipe file.

    Raises
    ------
    InputError
        For anything else, a folder of no known layout, and faulty settings.
    """
    path = Path(text)
    if is_checkpoint(path):
        recipe = load_checkpoint(path).recipe
        if not objective_of(recipe).labelled:
            todo = "name the folder of its data, and the checkpoint with --from"
            raise InputError(path, "a classifier's checkpoint", f"one of {recipe.objective}", todo)
        return Target(recipe=apply_overrides(recipe, settings), data_root=data_root, checkpoint=path.resolve())
    if path.is_dir() or is_set_file(path):
        if data_root is not None:
            raise InputError("--data", "the folder once", f"{path} and {data_root}", "leave out --data")
        name, root = recipe_of_folder(path)
        return Target(recipe=apply_overrides(recipe_named(name), settings), data_root=root)
    if str(text) not in RECIPES and path.suffix not in {".yaml", ".yml"}:
        expected = "a folder of samples, a checkpoint, a recipe's name or a .yaml file"
        raise InputError("TARGET", expected, repr(str(text)), "check the path, or see `crosspath data list`")
    return Target(recipe=apply_overrides(recipe_named(text), settings), data_root=data_root)


def find_auxiliaries(entries: Mapping[str, str | Path] | Iterable[str | Path], target: Recipe) -> list[AuxiliarySource]:
    """The auxiliaries behind folders, checkpoints, names of hubs, and `procedural`; of `NAME=SOURCE`, under this name.

    Those that are pretrained first get the target's size, so that they fit it.

    Raises
    ------
    InputError
        For anything else, names that no pathway can have, two of one name, and checkpoints that cannot be read.
    """
    if isinstance(entries, Mapping):
        pairs = [(str(name), str(text)) for name, text in entries.items()]
    else:
        pairs = [_split_name(str(text)) for text in ((entries,) if isinstance(entries, str | Path) else entries)]
    sources: dict[str, AuxiliarySource] = {}
    for name, text in pairs:
        if not is_name(name):
            raise InputError("--auxiliary", NAME_IN_WORDS, repr(name), f"choose another: other={text}")
        if name in sources:
            raise InputError(f"--auxiliary {name}", "each name once", "it twice", f"write one as {name}2={text}")
        sources[name] = _find_auxiliary(name, text, target)
    return list(sources.values())


def pretraining_of(recipe: Recipe, size: str | None = None) -> Recipe:
    """Masked modelling of what a recipe reads, with its model, or one of another size.

    Raises
    ------
    InputError
        For a modality without a recipe for it.
    """
    make = PRETRAINING.get(recipe.name) or PRETRAINING.get(f"{recipe.modality}/folder")
    if make is None:
        raise InputError(recipe.name, "a modality that can be pretrained", recipe.modality, "name a checkpoint instead")
    pretraining = make().model_copy(update={"name": recipe.name, "data": recipe.data, "model": recipe.model})
    return pretraining if size is None else apply_overrides(pretraining, (f"model.size={size}",))


def is_checkpoint(path: Path) -> bool:
    """Whether a path is a run folder, a saved folder or a safetensors file, rather than a folder of samples."""
    names = (WEIGHTS, f"{WEIGHTS}.index.json", PICKLE, f"{PICKLE}.index.json")
    return path.suffix == ".safetensors" or any((path / name).exists() for name in names)


def recipe_of_folder(folder: Path) -> tuple[str, Path]:
    """(name of the recipe, its data root) for a folder of samples: that of a published set, or of own class folders.

    Raises
    ------
    InputError
        For a folder without samples, and one of several sets.
    """
    entry = recognise_set(folder)
    if entry is None:
        section = guess_section(folder)
        recipe = own_recipe(section)
        if recipe is None:
            raise InputError(folder, "a modality with a recipe for folders", section.modality, "name a recipe instead")
        return recipe.name, folder.resolve()
    datasets = {section.dataset for section in sections_of_set(entry, folder)}
    name = next((name for name, make in RECIPES.items() if make().data.dataset in datasets), None)
    if name is None:
        raise InputError(folder, "a set with a recipe that trains on it", entry.name, "name a recipe instead")
    return name, folder.resolve().parent


def absolute_place(text: str) -> str:
    """An absolute path; a name on a hub as it is."""
    return text if is_on_hub(text) else str(Path(text).resolve())


def _find_auxiliary(name: str, text: str, target: Recipe) -> AuxiliarySource:
    path, size = Path(text), target.model.size
    if text == "procedural":
        # Sequences are redrawn in every epoch: short epochs let a plan fill its time, and see as many sequences.
        recipe = PRETRAINING[PROCEDURAL]()
        epochs = recipe.train.epochs * SHORTER
        samples = (recipe.data.train_samples or SHORTER) // SHORTER
        settings = (f"model.size={size}", f"data.train_samples={samples}", f"train.epochs={epochs}")
        recipe = apply_overrides(recipe, settings)
        return AuxiliarySource(name=name, text=text, recipe=recipe, kind=text)
    if is_on_hub(text) or is_checkpoint(path):
        auxiliary = auxiliary_source(text)  # refused now rather than after the first runs
        place = absolute_place(text)
        return AuxiliarySource(
            name=name, text=place, checkpoint=place, kind=auxiliary.modality, foreign=auxiliary.recipe is None
        )
    if path.is_dir() or is_set_file(path):
        recipe_name, root = recipe_of_folder(path)
        recipe = pretraining_of(recipe_named(recipe_name), size)
        place = str(path.resolve())
        return AuxiliarySource(name=name, text=place, recipe=recipe, data_root=root, kind=recipe.modality)
    expected = "a folder of samples, a checkpoint, timm:MODEL, hf:OWNER/MODEL or procedural"
    raise InputError(f"--auxiliary {text}", expected, "none", "check the path")


def _split_name(text: str) -> tuple[str, str]:
    """(name, source) of `NAME=SOURCE`, or of a source alone, named after its last part."""
    name, equals, source = text.partition("=")
    if equals and name and source and not Path(text).exists():
        return name, source
    last = Path(text.rpartition(":")[2]).resolve().stem if is_on_hub(text) else Path(text).resolve().stem
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", last).strip("-")
    return name if is_name(name) else f"auxiliary-{name}".rstrip("-"), text
