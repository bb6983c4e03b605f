"""The optimizer-held weight: the module keeps the sum E = W + λ·W' as its plain parameter; W, W' and λ stand beside it.

The layer is an ordinary one, which any code may read, compile or wrap. Its gradient G is that of E; those of W, W' and
λ follow from it (`fill_gradients`). W takes the place of E while an optimizer steps (`begin_step`, `end_step`; see
optimizer_steps.py), and the sum is written anew when the step is done.

W, W' and λ are no parameters of the module, so that only E is averaged, clipped, exchanged between processes or
counted. They follow `.to()`, `deepcopy` and pickling, and a state dict holds them, never E: under the names that the
live sum has, so that the states of both engines fit both.
"""

import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from crosspath.errors import PathwayError
from crosspath.pathway.engines.combine import effective_weight, pathway_gradients, write_effective_weight
from crosspath.pathway.engines.optimizer_watch import watch
from crosspath.pathway.engines.pathway_weight import INSIDE, PathwayWeight
from crosspath.pathway.engines.wrapping import watch_wrapping

WEIGHTS = "pathway_weights"
"""The name of the child module that holds the `HeldWeight` of each connected attribute of a layer."""


class HeldWeight(nn.Module):
    """W, its pathways, and the parameter E of `owner` that holds their sum."""

    def __init__(self, owner: nn.Module, attribute: str, parameter_order: Iterable[str]) -> None:
        super().__init__()
        parameter = owner._parameters[attribute]
        assert parameter is not None
        leaves = nn.Module()
        leaves.register_parameter(
            "original", nn.Parameter(parameter.detach().clone(), requires_grad=parameter.requires_grad)
        )
        leaves.add_module("0", PathwayWeight(parameter_order))
        # In tuples, so that nn.Module registers neither.
        self._owner, self._leaves = (owner,), (leaves,)
        self.attribute = attribute
        self._optimizer: weakref.ref[Optimizer] | None = None
        self.steps: Any = None
        """What holds these pathways at that optimizer's steps."""
        self._follows = False
        """Whether E was to have a gradient when `follow_leaves` last looked."""
        self._storage: Tensor | None = None
        """E's own storage while W stands in its place."""
        self._tensors: tuple[Tensor, ...] = ()
        """E, W, each W' and λ when the sum was written."""
        self._versions: tuple[int, ...] = ()
        """Theirs at that time, and in a new copy that of E alone: PyTorch counts the writes to each tensor."""
        watch(self)
        watch_wrapping(self)

    def __setattr__(self, name: str, value: Any) -> None:
        # Nothing is registered here; nn.Module would look into every value, at every step.
        object.__setattr__(self, name, value)

    @property
    def owner(self) -> nn.Module:
        """The layer."""
        return self._owner[0]

    @property
    def original(self) -> nn.Parameter:
        """W."""
        value = self._leaves[0]._parameters["original"]
        assert value is not None
        return value

    @property
    def pathway(self) -> PathwayWeight:
        """Each W' and λ."""
        pathway = self._leaves[0]._modules["0"]
        assert isinstance(pathway, PathwayWeight)
        return pathway

    @property
    def parameter(self) -> nn.Parameter:
        """E, the layer's own parameter."""
        value = self.owner._parameters.get(self.attribute)
        if value is None:
            found, todo = "another parametrization of it", "add that before `connect`"
            raise PathwayError(self.attribute, "a plain parameter that holds the sum", found, todo)
        return value

    @property
    def optimizer(self) -> Optimizer | None:
        """The optimizer that holds W, W' and λ."""
        return None if self._optimizer is None else self._optimizer()

    def attach(self, optimizer: Optimizer, steps: object) -> None:
        """Say which optimizer holds W, W' and λ from now on. A step of another one that has them is refused."""
        self._optimizer, self.steps = weakref.ref(optimizer), steps
        watch(self)

    @property
    def in_place(self) -> bool:
        """Whether the layer still has these pathways."""
        weights = self.owner._modules.get(WEIGHTS)
        return weights is not None and weights._modules.get(self.attribute) is self

    def every_leaf(self) -> Iterator[nn.Parameter]:
        """W, each W', and each λ of its own."""
        yield self.original
        yield from self.pathway.own_leaves()

    def trained_tensors(self) -> Iterator[nn.Parameter]:
        """E, and those of W, W' and λ that train: what only the attached optimizer may step."""
        parameter = self.owner._parameters.get(self.attribute)
        if parameter is not None:
            yield parameter
        yield from (leaf for leaf in self.every_leaf() if leaf.requires_grad)

    def check_switches(self) -> None:
        """Refuse an E that was frozen while W, W' or λ train: which of them are meant to is not to be told.

        Raises
        ------
        PathwayError
            Also for hooks on W, W' or λ, which no backward would call.
        """
        trainable = [leaf for leaf in self.every_leaf() if leaf.requires_grad]
        if trainable and self._follows and not self.parameter.requires_grad:
            expected, words = "W, W' and λ that are frozen or train each on their own", "their sum frozen, not they"
            todo = (
                "requires_grad_(True) on the model's weight, and freeze pathways(model).weights(), .auxiliaries(), ..."
            )
            raise PathwayError(self.attribute, expected, words, todo)
        if any(leaf._backward_hooks or leaf._post_accumulate_grad_hooks for leaf in trainable):
            todo = "connect with engine='live', or change `.grad` after pathways(model).fill_gradients()"
            raise PathwayError(self.attribute, "W, W' and λ without gradient hooks", "one with a hook", todo)

    def follow_leaves(self) -> None:
        """Let E require a gradient where W, W' or λ do."""
        auxiliaries, scales, _ = self.pathway.terms()
        self._follows = any(leaf.requires_grad for leaf in (self.original, *auxiliaries, *scales))
        self.parameter.requires_grad_(self._follows)

    # The sum -------------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def write_sum(self) -> None:
        """E = W + Σ λ·W'; W alone while the pathways are disabled."""
        terms = self.pathway.enabled_terms()
        write_effective_weight(self.parameter, self.original, *terms)
        self._tensors = (self.parameter, self.original, *terms[0], *terms[1])
        self._versions = self._count_writes()

    def refresh(self) -> None:
        """Before a forward: `check_sum`, unless something stands in E's place for this call."""
        # Once a weight and forward: the usual case first, without properties.
        tensors = self._tensors
        if tensors and self._owner[0]._parameters.get(self.attribute) is not tensors[0]:
            return
        if not tensors or tuple([tensor._version for tensor in tensors]) != self._versions:
            self.check_sum()

    def check_sum(self, where: str = "") -> None:
        """Write the sum anew where W, W' or λ were written since; refuse where E was.

        Raises
        ------
        PathwayError
            For an E that is no longer the sum of its leaves.
        """
        # A model that was merged inside another one leaves its sums with that one.
        if self._storage is not None or not self.in_place:
            return
        versions, parameter = self._count_writes(), self.parameter
        same = bool(self._tensors) and parameter is self._tensors[0]
        if same and versions == self._versions:
            return
        if not self._tensors or parameter.is_meta or (same and versions[0] == self._versions[0]):
            self.write_sum()
            return
        terms = self.pathway.enabled_terms()
        with torch.no_grad():
            expected = effective_weight(self.original, *terms) if terms[0] else self.original
            equal = (expected == parameter) | (expected.isnan() & parameter.isnan())
        if not bool(equal.all()):
            rule, fault = "a weight that only its optimizer writes", "one written by other code"
            todo = "write inside `with pathways(model).disabled()`, or connect with engine='live'"
            raise PathwayError(where or self.attribute, rule, fault, todo)
        self.write_sum()

    @torch.no_grad()
    def adopt_write(self) -> None:
        """While the pathways are disabled E is W: what was written to it since becomes W's value."""
        versions = self._count_writes()
        # A write through `.data`, as peft's, counts nowhere: so E is taken unless only W is known to be written.
        if self.parameter._version != self._versions[0] or versions[1] == self._versions[1]:
            self.original.copy_(self.parameter)

    def _count_writes(self) -> tuple[int, ...]:
        return tuple(tensor._version for tensor in self._tensors)

    # A step: without gradients, which `OptimizerSteps` turns off once for all weights ------------------------------

    def clear_gradients(self) -> None:
        """Drop the gradients of W' and λ."""
        for leaf in self.pathway.own_leaves():
            leaf.grad = None

    def fill_gradients(self) -> None:
        """λ·G for each W' and ⟨G, W'⟩ for each λ, added to what is there: a bias adds to the λ that it borrows."""
        gradient = self.parameter.grad
        auxiliaries, scales, overlays = self.pathway.terms()
        pairs = [leaf for pair in zip(auxiliaries, scales, strict=True) for leaf in pair]
        leaves = [leaf for leaf in pairs if leaf.requires_grad]
        if gradient is None or not leaves:
            return
        if gradient.layout != torch.strided:
            todo = "connect with engine='live', or leave this weight out"
            raise PathwayError(self.attribute, "a dense gradient", "a sparse one", todo)
        needs_gradient = tuple(leaf.requires_grad for leaf in pairs)
        for leaf, own in zip(leaves, pathway_gradients(tuple(overlays), needs_gradient, gradient, *pairs), strict=True):
            leaf.grad = own if leaf.grad is None else leaf.grad + own

    def gradients(self) -> list[Tensor | None]:
        """E's, and those of W' and λ of its own."""
        return [self.parameter.grad, *[leaf.grad for leaf in self.pathway.own_leaves() if leaf.requires_grad]]

    def begin_step(self) -> None:
        """Put W in E's place, which keeps its gradient."""
        self._storage = self.parameter.data
        self.parameter.data = self.original.data

    def end_step(self) -> None:
        """Put E back, with the sum of what W, W' and λ are now."""
        storage, self._storage = self._storage, None
        if storage is None:
            return
        # An optimizer may replace the tensor rather than write to it.
        self.original.data = self.parameter.data
        self.parameter.data = storage
        self.write_sum()

    # What PyTorch does with modules -----------------------------------------------------------------------------------

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "HeldWeight":
        self._leaves[0]._apply(fn, recurse)  # type: ignore[no-untyped-call]
        parameter, value = self.parameter, fn(self.parameter.data)
        replaces = torch.__future__.get_overwrite_module_params_on_conversion()
        if torch._has_compatible_shallow_copy_type(parameter, value) and not replaces:
            # The sum of what the leaves are now, not the sum of before in another type. The owner finds E done.
            parameter.data = value
            self.write_sum()
        else:  # The owner replaces E, as to or from the meta device.
            self._tensors, self._versions = (), ()
        return self

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        # What was written to E would be lost. Other writes are summed for what does not look for them, as torch.export.
        if (self.parameter._version, *self._count_writes()[1:]) != self._versions:
            self.check_sum(self._plain_name(prefix))
        destination.pop(self._plain_name(prefix))
        self._leaves[0].state_dict(destination=destination, prefix=self._state_prefix(prefix), keep_vars=keep_vars)

    def _load_from_state_dict(
        self,
        state: dict[str, Any],
        prefix: str,
        metadata: dict[str, Any],
        strict: bool,
        missing: list[str],
        unexpected: list[str],
        errors: list[str],
    ) -> None:
        # The owner went first: it lacked E, or took a plain W as E. Names are those of held_layer.py.
        plain, start, count = self._plain_name(prefix), self._state_prefix(prefix), len(missing)
        for name, module in self._leaves[0].named_modules(prefix=prefix.removesuffix(".")):
            module._load_from_state_dict(state, f"{name}.", metadata, strict, missing, unexpected, errors)
        own = [name.replace(prefix, start, 1) for name in missing[count:]]
        missing[:] = [name for name in missing[:count] if name != plain] + own
        unexpected[:] = [name.replace(prefix, start, 1) if name.startswith(prefix) else name for name in unexpected]
        auxiliaries, scales, _ = self.pathway.terms()
        places = [(leaf.device, leaf.dtype) for leaf in (self.original, *auxiliaries, *scales)]
        # `assign=True` takes the tensors of the state as they are.
        if len(set(places)) > 1:
            self._tensors, self._versions = (), ()
            found = ", ".join(dict.fromkeys(f"{kind} on {device}" for device, kind in places))
            rule, todo = "W, W' and λ of one type on one device", "load a state that has all of them"
            errors.append(str(PathwayError(plain, rule, found, todo)))
            return
        if (self.parameter.device, self.parameter.dtype) != places[0]:
            value = torch.empty_like(self.original)
            self.owner._parameters[self.attribute] = nn.Parameter(value, requires_grad=self.parameter.requires_grad)
        self.write_sum()

    def _plain_name(self, prefix: str) -> str:
        return prefix.removesuffix(f"{WEIGHTS}.{self.attribute}.") + self.attribute

    def _state_prefix(self, prefix: str) -> str:
        return prefix.removesuffix(f"{WEIGHTS}.{self.attribute}.") + f"{INSIDE}.{self.attribute}."

    def __getstate__(self) -> dict[str, Any]:
        if self._storage is not None:
            raise PathwayError(self.attribute, "a copy between steps", "one inside of a step", "copy after it")
        self.check_sum()
        return {**self.__dict__, "_optimizer": None, "steps": None}  # No optimizer holds a copy's tensors.

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        # E was copied before this object was asked for its state, from before the last write perhaps. So that the next
        # look writes the sum, unless E is written by then, only E counts as seen.
        self._versions = self._count_writes()[:1]
        watch(self)
        watch_wrapping(self)
