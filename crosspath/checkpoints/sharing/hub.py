"""Models for the Hugging Face hub: saved as a folder to upload, with a config and a card, and loaded again."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from crosspath.checkpoints.load import load_checkpoint
from crosspath.checkpoints.save import CARD, MERGE_RECEIPT, save_checkpoint
from crosspath.checkpoints.sharing.card import Scales, model_card, strip_recipe_paths
from crosspath.checkpoints.sources import is_on_hub, strip_paths
from crosspath.config.recipe import validate
from crosspath.errors import InputError
from crosspath.files import FORMAT_VERSION, read_json, sha256_of_tensors
from crosspath.modalities import modality_of
from crosspath.models import ModalityModel
from crosspath.models.about import About
from crosspath.objectives import objective_of
from crosspath.pathway import pathways
from crosspath.pathway.origins import ORIGINS, Origin
from crosspath.pathway.sources.parameters import has_pathways, plain_state

CONFIG = "config.json"
DOWNLOADS = ("*.safetensors", "*.json", "*.yaml")
"""Files of a repository that are downloaded: none that could be executed."""


def save_pretrained(model: ModalityModel, folder: str | Path) -> None:
    """Write a model into `folder` for others to use: complete, and without paths of this machine.

    A plain target (`model.safetensors`), the pathways of a connected one beside it, `recipe.yaml`, `config.json` (the
    recipe and the class names, as JSON), `README.md` (the model card, unless the folder has one) and
    `manifest.json`. A frozen auxiliary is stored by its values, or as a reference if it comes from the hub itself.
    `ModalityModel.from_pretrained(folder)` reads the folder, and so does every command.

    Raises
    ------
    InputError
        For a model without `model.about`, or whose weights do not fit it.
    crosspath.pathway.PathwayError
        For pathways without values or with sharded ones.
    """
    folder = Path(folder)
    about = _about(model)
    recipe = strip_recipe_paths(about.recipe)
    auxiliaries = {name: strip_paths(record) for name, record in about.auxiliaries.items()}
    config = {
        "library_name": "crosspath",
        "format_version": FORMAT_VERSION,
        "recipe": recipe.model_dump(mode="json"),
        "classes": list(about.classes),
        "connected": has_pathways(model),
    }
    texts = {CONFIG: json.dumps(config, indent=2, ensure_ascii=False) + "\n"}
    if about.receipt is not None:
        texts[MERGE_RECEIPT] = json.dumps(about.receipt, indent=2) + "\n"
    with _portable_origins(model, auxiliaries):
        if not (folder / CARD).exists():
            texts[CARD] = model_card(about, sha256=_digest(model), scales=_scales(model, about))
        files = modality_of(about.recipe).files(about.recipe.data)
        save_checkpoint(
            model, folder, recipe=recipe, classes=about.classes, auxiliaries=auxiliaries, texts=texts, files=files
        )


def load_pretrained(
    name: str | Path,
    *,
    revision: str | None = None,
    cache_dir: str | Path | None = None,
    force_download: bool = False,
    local_files_only: bool = False,
    token: str | bool | None = None,
    auxiliaries: Mapping[str, str | Path] | None = None,
) -> ModalityModel:
    """The model in a folder or a hub repository: see `ModalityModel.from_pretrained`, also for what it raises."""
    folder = Path(name)
    if not folder.exists():
        options = {"cache_dir": cache_dir, "force_download": force_download, "local_files_only": local_files_only}
        folder = _download(str(name), {**options, "revision": revision, "token": token})
    recipe = None
    if (folder / CONFIG).is_file():
        values = read_json(folder / CONFIG).get("recipe")
        if not isinstance(values, dict):
            todo = "name a folder or repository written by save_pretrained"
            raise InputError(folder / CONFIG, "the recipe of a crosspath model", "none", todo)
        recipe = validate(values, folder / CONFIG)
    model = load_checkpoint(folder, recipe, auxiliaries).model
    if not isinstance(model, ModalityModel):
        todo = "load it with crosspath.load_checkpoint, or fine-tune it: crosspath train RECIPE --from CHECKPOINT"
        raise InputError(name, "a classifier", f"a {type(model).__name__}", todo)
    return model


def _about(model: ModalityModel) -> About:
    """`model.about`, with the auxiliaries connected now. Raises `InputError` where the weights do not fit it."""
    about = model.about
    where = "model.about"
    if about is None:
        raise InputError(where, "the model's recipe and classes", "none", "make the model with crosspath.build_model")
    with torch.device("meta"):
        plain = objective_of(about.recipe).build(about.recipe, len(about.classes)).state_dict()
    own = plain_state(model)
    if {name: value.shape for name, value in own.items()} != {name: value.shape for name, value in plain.items()}:
        todo = "set model.about to the recipe and the classes that it has now"
        raise InputError(where, "the recipe of this model", "weights of other names or shapes", todo)
    if has_pathways(model):
        handle = pathways(model)
        origins = {
            name: {"origin": origin.description, "sha256": origin.sha256 or "unknown"}
            for name, origin in handle.origins.items()
        }
        records = {name: about.auxiliaries.get(name, origins.get(name, {})) for name in handle.names}
        return replace(about, auxiliaries=records, receipt=None)
    # After further training the receipt of the merge no longer holds.
    receipt = about.receipt
    if receipt is not None and receipt["merge"]["sha256_after"] != _digest(model):
        receipt = None
    return replace(about, receipt=receipt)


def _digest(model: nn.Module) -> str:
    return sha256_of_tensors(sorted(plain_state(model).items()))


def _scales(model: nn.Module, about: About) -> Scales:
    if not has_pathways(model):
        merge_scales: Scales = {} if about.receipt is None else about.receipt["merge"]["scales"]
        return merge_scales
    scales: dict[str, dict[str, list[float]]] = {}
    for (weight, name), scale in pathways(model).scales().items():
        scales.setdefault(weight, {})[name] = scale.detach().double().tolist()
    return scales


@contextmanager
def _portable_origins(model: nn.Module, auxiliaries: Mapping[str, Mapping[str, Any]]) -> Iterator[None]:
    """Inside the block the origins of the model's pathways name no file and no frozen auxiliary that only this machine
    has: `save_pathway` then stores the values."""
    tables: list[dict[str, Origin]] = [table for part in model.modules() if (table := part.__dict__.get(ORIGINS))]
    before = [dict(table) for table in tables]
    try:
        for table in tables:
            table.update({name: _portable(origin, auxiliaries.get(name, {})) for name, origin in table.items()})
        yield
    finally:
        for table, origins in zip(tables, before, strict=True):
            table.update(origins)


def _portable(origin: Origin, record: Mapping[str, Any]) -> Origin:
    on_hub = is_on_hub(record.get("origin", ""))
    return replace(
        origin,
        description=strip_paths({"description": origin.description})["description"],
        file=None,
        sha256_of_frozen_values=origin.sha256_of_frozen_values if on_hub else None,
    )


def _download(repository: str, options: Mapping[str, Any]) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    expected = "a folder, or OWNER/NAME of a hub repository that can be reached"
    try:
        return Path(snapshot_download(repository, allow_patterns=list(DOWNLOADS), **options))
    except LocalEntryNotFoundError:
        raise InputError(repository, expected, "no folder, no connection, no local copy", "connect once") from None
    except HFValidationError:
        raise InputError(repository, expected, "neither", "correct the name") from None
    except (HfHubHTTPError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(repository, expected, reason, "check the name and the connection") from None
