"""Which weights of a model learn: all, or the head and the scales λ alone."""

from torch import nn

from crosspath.checkpoints.save import has_pathways
from crosspath.config import Recipe
from crosspath.errors import InputError
from crosspath.objectives import objective_of
from crosspath.pathway import pathways
from crosspath.pathway.engines import held_weights


def limit_scope(model: nn.Module, recipe: Recipe) -> None:
    """Freeze, in place, what `train.scope` leaves out.

    `head`: the linear probe, and with pathways the published setting of fixed bodies, in which λ and the classifier
    learn (the published probe left λ out of its optimizer, so that it stayed 0). Every W' stays as it is.

    Raises
    ------
    InputError
        For masked modelling, which has no head.
    """
    if recipe.train.scope == "all":
        return
    if not objective_of(recipe).labelled:
        raise InputError("train.scope", "all, for masked modelling", repr(recipe.train.scope), "leave it out")
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith("head."))
    if has_pathways(model):
        handle = pathways(model)
        for weight in (*handle.weights().values(), *handle.auxiliaries().values()):
            weight.requires_grad_(False)
        for scale in handle.scales().values():
            scale.requires_grad_(recipe.pathway.train_scale)
    for held in held_weights(model):
        held.follow_leaves()


def training_mode(model: nn.Module, recipe: Recipe) -> None:
    """Put the model into training mode; a frozen body keeps the statistics of its batch normalisation as they are."""
    model.train()
    if recipe.train.scope == "head":
        for name, module in model.named_modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm) and not name.startswith("head."):
                module.eval()
