"""Converts a foreign file to a checkpoint of this library, with a receipt of what became of every tensor."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from crosspath.checkpoints.environment import environment
from crosspath.checkpoints.foreign.formats import translate
from crosspath.checkpoints.foreign.foundation import foundation_if_known, training_command
from crosspath.checkpoints.foreign.source import find_source, owns_config, select_model
from crosspath.checkpoints.foreign.translation import Foreign, Translation
from crosspath.checkpoints.foreign.unpickle import read_weights
from crosspath.checkpoints.reparameterized import SCALE, WEIGHT, merge_reparameterized, split_reparameterized
from crosspath.checkpoints.save import WEIGHTS, save_checkpoint
from crosspath.config import Recipe, apply_overrides
from crosspath.counts import first_names
from crosspath.errors import InputError
from crosspath.files import (
    FORMAT_VERSION,
    new_folder,
    replacing_files,
    sha256_of_file,
    tensor_faults,
    write_manifest,
    write_tensors,
)
from crosspath.locks import claim_new
from crosspath.models import ModalityModel
from crosspath.models.build import build_model
from crosspath.models.sizes import size_of
from crosspath.pathway import connect
from crosspath.pathway.anatomy.locate import locate
from crosspath.pathway.anatomy.meaning import describe_blocks
from crosspath.pathway.finite import all_finite
from crosspath.pathway.sources.description import BLOCKS, describe_neighbour
from crosspath.pathway.sources.source import State, StateSource

Layers = dict[str, tuple[Tensor, Tensor]]
"""{layer: (λ, W')}."""
RECEIPT = "conversion.json"
AUXILIARY = "auxiliary"
"""The name of an M2PT model's auxiliary: its files give it none."""


def convert_checkpoint(
    path: str | Path,
    out: str | Path,
    *,
    settings: Iterable[str] = (),
    key: str | None = None,
    merge: bool = False,
    bare: bool = False,
    unsafe: bool = False,
) -> dict[str, Any]:
    """Convert a foreign checkpoint into the new folder `out`, for `crosspath train --from` and `--auxiliary`.

    Heads are dropped, and the new one is initialised at random. An unknown format that has blocks of a known layout
    becomes bare weights, which serve as an auxiliary; heads and norms that its config states are kept with them.

    Parameters
    ----------
    settings
        `section.field=value` of the model's recipe, such as `data.image_size=384`, to which positions are resized.
    key
        The entry of the file that holds the model, such as `model_ema`; recognised automatically when None.
    merge
        Merge the pathways of a checkpoint trained with M2PT, instead of keeping them connected.
    bare
        Keep the weights under their own names, as an auxiliary only: for a model that this library does not have.
    unsafe
        See `read_weights`.

    Returns
    -------
    The receipt, which is also written as `conversion.json`.

    Raises
    ------
    InputError
        For a file that is missing, damaged, needs more than weights, or has tensors that the format does not have.
        Nothing is written then.
    """
    source, out = find_source(path), Path(out)
    new_folder(out, "OUT")
    foreign = select_model(source, read_weights(source.file, source.contents, unsafe=unsafe), key)
    settings = tuple(settings)
    try:
        translation = None if bare else translate(foreign, lambda recipe: apply_overrides(recipe, settings))
    except InputError as error:
        model = None if source.config is None else foundation_if_known(path)
        if model is None or error.where != str(foreign.where):
            raise
        todo = f"run {training_command(model, str(path))}, or keep the weights as an auxiliary with --bare"
        found = f"{model.name}, which needs no conversion"
        raise InputError(path, "a model that `convert` translates", found, todo) from None
    receipt = {
        "format_version": FORMAT_VERSION,
        "source": {
            "file": source.file.name,
            "sha256": sha256_of_file(source.file),
            "container": source.contents.container,
        },
        "settings": list(settings),
        "environment": environment(),
    }
    if translation is None:
        if settings or merge:
            found = "bare weights" if bare else "weights of an unknown one"
            raise InputError(source.file, "a known format", found, "leave --set and --merge out")
        model = None if source.config is None else foundation_if_known(path)
        more = [] if model is None else [f"as a target it needs no conversion: {training_command(model, 'FOLDER')}"]
        return _write_bare(foreign, source.file, out, receipt, more)
    return _write(foreign, translation, out, receipt, merge=merge)


def layout_name(tensors: Mapping[str, Tensor]) -> str | None:
    """The name of the layout that fits these weights, if any: then they can serve as an auxiliary."""
    anatomy = locate(StateSource(dict(tensors)))
    return None if anatomy is None else anatomy.layout.name


def instantiate(foreign: Foreign, translation: Translation) -> tuple[ModalityModel, dict[str, Tensor], Layers]:
    """A translation's model, freshly initialised; the tensors to load into it; and λ and W' of M2PT's layers.

    Of tensors on the meta device only the shapes are checked.

    Raises
    ------
    InputError
        When tensors are missing, have other shapes, or are not finite.
    """
    tensors = {
        name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in translation.tensors.items()
    }
    layers: Layers = {}
    if any(name.endswith((f".{WEIGHT}", f".{SCALE}")) for name in tensors):
        tensors, layers = split_reparameterized(tensors)
    section = translation.recipe.model
    width, _, heads = size_of(section)
    if width % heads:
        todo = "name them with --set model.heads=N"
        raise InputError(foreign.where, f"attention heads that divide the width {width}", str(heads), todo)
    on_meta = any(tensor.is_meta for tensor in tensors.values())
    with torch.random.fork_rng(devices=[]), torch.device("meta" if on_meta else "cpu"):
        torch.manual_seed(0)
        model = build_model(translation.recipe, translation.recipe.data.classes or 1)
    own = model.state_dict()
    tensors |= {name: own[name] for name in own if name not in tensors and name.startswith(translation.fresh)}
    faults = tensor_faults(tensors, own)
    if not faults and not on_meta:
        values = {**tensors, **{f"{layer}.{WEIGHT}": auxiliary for layer, (_, auxiliary) in layers.items()}}
        faults = [f"values in {name} that are not finite" for name, t in values.items() if not all_finite(t)][:3]
    if faults:
        todo = "copy the file again, or set what differs with --set"
        raise InputError(foreign.where, f"the tensors of {foreign.format}", "; ".join(faults), todo)
    return model, tensors, layers


def _write(
    foreign: Foreign, translation: Translation, out: Path, receipt: dict[str, Any], *, merge: bool
) -> dict[str, Any]:
    model, tensors, layers = instantiate(foreign, translation)
    if merge and not layers:
        raise InputError("--merge", f"layers with {SCALE} and {WEIGHT}", "none in the file", "leave it out")
    if merge:
        parts = {f"{layer}.{SCALE}": scale for layer, (scale, _) in layers.items()}
        parts |= {f"{layer}.{WEIGHT}": auxiliary for layer, (_, auxiliary) in layers.items()}
        tensors, layers = merge_reparameterized(tensors | parts), {}
    recipe = _with_pathway(translation.recipe, layers)
    classes = tuple(str(number) for number in range(recipe.data.classes or 1))
    model.load_state_dict(tensors, strict=True)
    auxiliaries = {}
    if layers:
        weights = {f"{layer}.weight": weight for layer, (_, weight) in layers.items()}
        handle = connect(model, {AUXILIARY: weights}, names=list(weights))
        handle.describe(AUXILIARY, receipt["source"]["file"], receipt["source"]["sha256"])
        with torch.no_grad():
            for (name, _), scale in handle.scales().items():
                scale.copy_(layers[name.removesuffix(".weight")][0])
        auxiliaries = {AUXILIARY: {"origin": receipt["source"]["file"], "sha256": receipt["source"]["sha256"]}}
    receipt |= {
        "format": foreign.format,
        "recipe": recipe.name,
        "pathways": "merged" if merge else "kept" if layers else "none",
        "used": foreign.destinations,
        "dropped": foreign.leftovers,
        "fresh": list(translation.fresh),
        "notes": foreign.notes,
    }
    text = json.dumps(receipt, indent=2) + "\n"
    texts = {RECEIPT: text}
    with claim_new(out, "OUT"):
        save_checkpoint(model.eval(), out, recipe=recipe, classes=classes, auxiliaries=auxiliaries, texts=texts)
    return receipt


def _with_pathway(recipe: Recipe, layers: Mapping[str, object]) -> Recipe:
    """The settings of M2PT's pathway, where there is one."""
    if not layers:
        return recipe
    return recipe.model_copy(update={"pathway": recipe.pathway.model_copy(update={"accept": ("heads",)})})


def _write_bare(
    foreign: Foreign, file: Path, out: Path, receipt: dict[str, Any], notes: Sequence[str]
) -> dict[str, Any]:
    foreign.refuse_parts()
    layout = layout_name(foreign.tensors)
    if layout is None:
        first = ", ".join(list(foreign.tensors)[:3]) or "no tensors"
        todo = "see docs/checkpoints.md for the known formats"
        raise InputError(foreign.where, "a known format, or blocks of a known layout", first, todo)
    names = foreign.full_names
    description = describe_neighbour(file) if owns_config(file) else None
    anatomy = locate(StateSource(State(foreign.tensors, description)))
    blocks = describe_blocks(anatomy)
    notes = ["no model is rebuilt from it: it serves as an auxiliary", *notes]
    if anatomy is not None and len(anatomy.lists) > 1:
        several = first_names([name.partition(".#")[0] for name in anatomy.lists], 3)
        notes.append(f"it has several lists of blocks ({several}); --key with the start of their names takes one alone")
    receipt |= {
        "format": f"weights of {layout}",
        "recipe": None,
        "pathways": "none",
        "used": {names.get(name, name): name for name in foreign.tensors},
        "dropped": foreign.leftovers,
        "fresh": [],
        "notes": notes,
    }
    with claim_new(out, "OUT"):
        with replacing_files(out) as temporary:
            write_tensors(temporary / WEIGHTS, foreign.tensors, {BLOCKS: json.dumps(blocks)} if blocks else {})
            (temporary / RECEIPT).write_text(json.dumps(receipt, indent=2) + "\n", encoding="utf-8")
        write_manifest(out, [WEIGHTS, RECEIPT])
    return receipt
