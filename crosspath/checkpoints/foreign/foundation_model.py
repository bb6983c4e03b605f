"""A foundation model's encoder, read from its files: fitting a recipe to it, and loading it into the recipe's model."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from crosspath.checkpoints.foreign.foundation_inputs import Inputs
from crosspath.config import Recipe
from crosspath.config.recipe import validate
from crosspath.errors import InputError
from crosspath.files import tensor_faults
from crosspath.models.heads import HEAD
from crosspath.models.sizes import SIZES, Size, size_of
from crosspath.objectives import objective_of
from crosspath.pathway.finite import all_finite

FRESH = (HEAD, "decoder.", "mask_token", "predict.")
"""Parts of a recipe's model that no foundation model has."""
SIZES_OF_PICTURES = ("data.image_size", "data.resize")
NORMS = ("encoder.norm.", "head.norm.")
"""After the last block, and after pooling."""
BODY_RATE = 1e-4
"""Learning rate where the body trains; that of recipes from scratch would undo what it has learned."""
SIZE_FIELDS = ("size", "width", "depth", "heads")


@dataclass(frozen=True, kw_only=True)
class Foundation:
    """The encoder of a foundation model."""

    where: str
    """As the user named it."""
    name: str
    """Such as `DINOv2`."""
    modality: str
    size: Size
    inputs: Inputs
    tensors: Mapping[str, Tensor]
    """By this library's names, but for `positions`; in float32."""
    weights: Callable[[object, Mapping[str, Tensor], Recipe], dict[str, Tensor]]
    """See `Family.weights`."""
    leftovers: tuple[str, ...] = ()
    """Names in the file of what is no part of its features."""

    def describe(self, recipe: Recipe) -> str:
        """What a run takes from it, for the user."""
        size = f"{self.size.width} wide, {self.size.depth} blocks, {self.size.heads} heads"
        tree = recipe.model_dump(mode="json")
        inputs = {
            name: value
            for name, value in {**self.inputs.fixed_settings, **self.inputs.free_settings}.items()
            if "model." not in name
        }
        theirs = ", ".join(f"{name}={_get(tree, name)}" for name, value in inputs.items() if _plain(value) is not None)
        training = "augmentation is off" if recipe.train.scope == "head" and not recipe.augment.alters else ""
        training = training or f"optimizer.lr={recipe.optimizer.lr:g}"
        return f"--from {self.where}: {self.name}, {size}; {theirs}; {training}"


def encoder_tensors(
    file: Path, tensors: Mapping[str, Tensor], anchor: str, others: str
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The encoder's tensors, without the prefix that `anchor`, a tensor of each encoder, has in its name, and the names
    of all others. `others` is a regular expression for what is no part of an encoder.

    Raises
    ------
    InputError
        For a file without the anchor, and for a tensor of the encoder whose numbers are not its values.
    """
    full = next((name for name in sorted(tensors) if f".{name}".endswith(f".{anchor}")), None)
    if full is None:
        raise InputError(file, f"a tensor {anchor}", "none", "copy the files again")
    prefix = full.removesuffix(anchor)
    names = {name: name.removeprefix(prefix) for name in tensors if name.startswith(prefix)}
    own = {name: short for name, short in names.items() if not re.match(others, short)}
    for name in own:
        if not tensors[name].is_floating_point() or tensors[name].element_size() == 1:
            found = f"{name} of {str(tensors[name].dtype).removeprefix('torch.')}"
            todo = "copy the files again, or name the model as it was before quantising"
            raise InputError(file, "weights as floating-point numbers", found, todo)
    beside = tuple(name for name in tensors if name not in own)
    return {short: tensors[name] for name, short in own.items()}, beside


def foundation(
    where: str,
    name: str,
    modality: str,
    model: dict[str, Any],
    inputs: Inputs,
    tensors: Mapping[str, Tensor],
    weights: Callable[[object, Mapping[str, Tensor], Recipe], dict[str, Tensor]],
    *,
    leftovers: tuple[str, ...] = (),
) -> Foundation:
    """A foundation model whose `model` section is known, with a named size where it has one."""
    size = Size(model.pop("width"), model.pop("depth"), model.pop("heads"))
    size_name = next((label for label, other in SIZES.items() if other == size), None)
    size_settings = {"size": size_name} if size_name is not None else dict(zip(SIZE_FIELDS[1:], size, strict=True))
    if model.get("mlp_width") == 4 * size.width:
        del model["mlp_width"]
    settings = {f"model.{field}": value for field, value in (size_settings | model).items() if field != "pooling"}
    free_settings = {"model.pooling": model["pooling"], **inputs.free_settings}
    return Foundation(
        where=where,
        name=name,
        modality=modality,
        size=size,
        inputs=replace(inputs, fixed_settings={**settings, **inputs.fixed_settings}, free_settings=free_settings),
        tensors={name: tensor.float() for name, tensor in tensors.items()},
        weights=weights,
        leftovers=leftovers,
    )


def fit_recipe(recipe: Recipe, model: Foundation, explicit: Collection[str] = ()) -> Recipe:
    """The recipe with the model's architecture and what it reads.

    `explicit` are the dotted names of settings that the user gave: they stay where the model allows it. A recipe that
    was fitted before, as a run leaves it behind, stays as it is.

    Raises
    ------
    InputError
        For a recipe of another modality, and for explicit settings that the model cannot have.
    """
    if recipe.modality != model.modality:
        expected, todo = f"a recipe of {model.modality}", f"name one, such as {model.modality}/folder"
        raise InputError(f"--from {model.where}", expected, f"{recipe.name}, of {recipe.modality}", todo)
    if objective_of(recipe).labelled and not objective_of(recipe).pools:
        # Where something stands in a picture follows from its size, which is the recipe's: positions are interpolated.
        explicit = [*explicit, *SIZES_OF_PICTURES]
    tree = recipe.model_dump(mode="json")
    same = all(_get(tree, name) == _plain(value) for name, value in model.inputs.fixed_settings.items())
    if same and any(_is_explicit(name, explicit) for name in model.inputs.fixed_settings):
        explicit = [*explicit, *model.inputs.free_settings, "augment", "optimizer"]
    for name, value in {**model.inputs.fixed_settings, **model.inputs.free_settings, **_training(recipe)}.items():
        if not _is_explicit(name, explicit):
            _set(tree, name, value)
            continue
        setting = _get(tree, name)
        is_size = name.removeprefix("model.") in SIZE_FIELDS
        if name in model.inputs.fixed_settings and not is_size and setting != _plain(value):
            raise InputError(name, f"{_plain(value)}, as in {model.where}", str(setting), "leave it out")
    for name, divisor in model.inputs.multiples.items():
        if remainder := _get(tree, name) % divisor:
            expected, near = f"a multiple of {divisor}, the patch of {model.where}", _get(tree, name) - remainder
            raise InputError(name, expected, str(_get(tree, name)), f"set {name}={max(near, divisor)}")
    result = validate(tree, where=f"--from {model.where}")
    if (size := size_of(result.model)) != model.size:
        expected = f"width, depth and heads {tuple(model.size)}, as in {model.where}"
        raise InputError("model.size", expected, str(tuple(size)), "leave model.size, width, depth and heads out")
    if result.model.pooling != "mean" and not result.model.cls_token:
        raise InputError(
            "model.pooling", f"mean: {model.name} has no class token", result.model.pooling, "leave it out"
        )
    return result


def _training(recipe: Recipe) -> dict[str, Any]:
    """How a pretrained body is trained, where the user does not say it: gently; or, frozen, on samples as they are, so
    that its features are computed once."""
    if recipe.train.scope != "head":
        return {"optimizer.lr": BODY_RATE}
    if not objective_of(recipe).pools:
        return {}
    return {f"augment.{name}": value for name, value in recipe.augment.nothing().items()}


def load_foundation(module: nn.Module, model: Foundation, recipe: Recipe) -> list[str]:
    """Load the encoder into the fitted recipe's model, in place; the head stays as it is. Returns notes.

    Raises
    ------
    InputError
        Naming weights of other shapes, missing, unexpected and not finite ones; `module` is then unchanged.
    """
    own = module.state_dict()
    tensors, notes = _norms_of(model.weights(model.where, model.tensors, recipe), own, recipe)
    tensors |= {name: value for name, value in own.items() if name not in tensors and name.startswith(FRESH)}
    if faults := tensor_faults(tensors, own):
        todo = "leave out the settings of the model that differ"
        raise InputError(f"--from {model.where}", f"the weights of {recipe.name}", "; ".join(faults), todo)
    wrong = next((name for name, value in tensors.items() if not all_finite(value)), None)
    if wrong is not None:
        raise InputError(
            f"--from {model.where}", "finite weights", f"infinity or NaN in {wrong}", "copy its files again"
        )
    module.load_state_dict(tensors, strict=True)
    beside = f"; not loaded: {', '.join(model.leftovers)}" if model.leftovers else ""
    first = f"--from {model.where}: the new head is initialised at random{beside}"
    return [first, *(f"--from {model.where}: {note}" for note in notes)]


def _norms_of(
    tensors: dict[str, Tensor], own: Mapping[str, Tensor], recipe: Recipe
) -> tuple[dict[str, Tensor], list[str]]:
    """The weights for a head that reads tokens: it takes the norm after the last block where it has one, and nothing
    of a norm after the pooling; and notes. A head that pools has the norms that the model has."""
    if objective_of(recipe).pools or not objective_of(recipe).labelled:
        return tensors, []
    extras = [part for part in NORMS if _has(tensors, part) and not _has(own, part)]
    new = {name: value for name, value in own.items() if name.startswith(NORMS[0]) and name not in tensors}
    tensors = {name: value for name, value in tensors.items() if not name.startswith(tuple(extras))} | new
    notes = [f"not loaded: {part.rstrip('.')}, which this head does not read" for part in extras]
    return tensors, notes + (["initialised at random: encoder.norm"] if new else [])


def _has(tensors: Mapping[str, Tensor], part: str) -> bool:
    return any(name.startswith(part) for name in tensors)


def _is_explicit(name: str, explicit: Collection[str]) -> bool:
    """Whether the user gave this setting, or a section around it."""
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in explicit)


def _get(tree: Mapping[str, Any], name: str) -> Any:
    value: Any = tree
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _set(tree: dict[str, Any], name: str, value: Any) -> None:
    *sections, last = name.split(".")
    for section in sections:
        tree = tree[section]
    tree[last] = _plain(value)


def _plain(value: Any) -> Any:
    """As JSON has it."""
    return list(value) if isinstance(value, tuple) else value
