"""Which weights of a model learn: all; the head, the scales λ and the last blocks; or the head and the scales alone."""

from torch import nn

from crosspath.config import Recipe
from crosspath.errors import InputError
from crosspath.models.heads import HEAD
from crosspath.objectives import objective_of
from crosspath.pathway import pathways
from crosspath.pathway.engines.engine import held_weights
from crosspath.pathway.sources.parameters import has_pathways


def limit_scope(model: nn.Module, recipe: Recipe) -> None:
    """Freeze, in place, what `train.scope` leaves out.

    `head`: the linear probe, and with pathways the published setting of fixed bodies, in which λ and the classifier
    learn (the published probe left λ out of its optimizer, so that it stayed 0). Every W' stays as it is. `scales`:
    λ as an adapter, the same with a λ that has to learn; without pathways it is the linear probe beside it. `blocks`:
    the last blocks learn with the head, their W and W' included.

    Raises
    ------
    InputError
        For masked modelling, which has no head, for more blocks than there are, and for scales that do not learn.
    """
    if recipe.train.scope == "all":
        return
    if not objective_of(recipe).labelled:
        raise InputError("train.scope", "all, for masked modelling", repr(recipe.train.scope), "leave it out")
    if recipe.train.scope == "scales" and not recipe.pathway.train_scale:
        raise InputError("train.scope", "pathway.train_scale=true beside scales", "false", "leave one of them out")
    parts = _learning_parts(model, recipe)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith(parts))
    if has_pathways(model):
        handle = pathways(model)
        for name, weight in handle.weights().items():
            weight.requires_grad_(name.startswith(parts))
        for (name, _), weight in handle.auxiliaries().items():
            weight.requires_grad_(name.startswith(parts) and recipe.pathway.train_auxiliary)
        for scale in handle.scales().values():
            scale.requires_grad_(recipe.pathway.train_scale)
    for holder in held_weights(model):
        holder.follow_leaves()


def _learning_parts(model: nn.Module, recipe: Recipe) -> tuple[str, ...]:
    """What the names of learning parameters start with."""
    if recipe.train.scope != "blocks":
        return (HEAD,)
    blocks, last = len(model.get_submodule("encoder.blocks")), recipe.train.last_blocks  # type: ignore[arg-type]
    if last > blocks:
        raise InputError("train.last_blocks", f"at most the {blocks} blocks of the model", str(last), "set fewer")
    return (HEAD, "encoder.norm.", *(f"encoder.blocks.{index}." for index in range(blocks - last, blocks)))


def training_mode(model: nn.Module, recipe: Recipe) -> None:
    """Put the model into training mode; a frozen body keeps the statistics of its batch normalisation as they are."""
    model.train()
    for name, module in model.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and not name.startswith(HEAD):
            # A start may have frozen the body of a run whose scope is `all`.
            learns = module.weight is None or module.weight.requires_grad
            module.train(recipe.train.scope == "all" and learns)


def scope_notes(model: nn.Module, recipe: Recipe) -> list[str]:
    """How many values learn beside a frozen body, where λ is an adapter."""
    if recipe.train.scope != "scales":
        return []
    head = sum(value.numel() for name, value in model.named_parameters() if name.startswith(HEAD))
    if not has_pathways(model):
        return [f"train.scope=scales without an auxiliary: the head alone learns, {head:,} values"]
    scales = sum(scale.numel() for scale in pathways(model).scales().values())
    return [f"the body is frozen: {scales:,} values of λ learn, and {head:,} of the head"]
