"""Kernels of convolutions: of other sizes, and over fewer or more axes than the target's.

The last axes of two kernels are the same ones: width, then height, then time.

- An axis that both have: the shorter kernel stands in the centre of the longer one's place; what is outside is 0, or
  cut off.
- An axis that only the target has: repeated along it and divided by its length, as in I3D (Carreira and Zisserman 2017,
  arXiv 1705.07750, section 2.1). Away from borders, an input that does not change along this axis gets the auxiliary's
  response.
- An axis that only the auxiliary has: summed, which is its response to an input that does not change along it.
- A kernel of one place (1×1), and a linear layer: in the centre of all axes, since it acts on one place alone.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from crosspath.layouts import Role
from crosspath.pathway.anatomy.anatomy import Anatomy
from crosspath.pathway.anatomy.weight_names import without_kernel
from crosspath.pathway.derivation import Entries, Sides
from crosspath.pathway.records import StepRecord

Kernel = tuple[int, ...]
"""The lengths of a kernel's axes; none of a linear layer."""


def is_point(kernel: Kernel) -> bool:
    """Whether a kernel acts on one place alone."""
    return all(length == 1 for length in kernel)


def kernel_fault(ours: Kernel, theirs: Kernel) -> str | None:
    """Why a kernel cannot be brought to another size, in words; None where it can."""
    ours = ours or tuple(1 for _ in theirs)
    count = min(len(ours), len(theirs))
    for own, its in zip(ours[len(ours) - count :], theirs[len(theirs) - count :], strict=True):
        if (own - its) % 2 and not is_point(theirs):
            return f"kernels with one centre, found lengths of {own} and {its}"
    if is_point(theirs) and any(length % 2 == 0 for length in ours):
        return f"a kernel with a centre, found lengths of {' x '.join(map(str, ours))}"
    return None


def fit_kernel(weight: Tensor, kernel: Kernel) -> Tensor:
    """A weight (outputs, inputs, *its kernel) with this kernel; the very tensor where it has it already.

    The two have to fit: see `kernel_fault`.
    """
    theirs = tuple(weight.shape[2:])
    if theirs == kernel:
        return weight
    if is_point(theirs):
        weight = weight.reshape(*weight.shape[:2], *(1 for _ in kernel))
    elif len(theirs) > len(kernel) and kernel:
        weight = weight.sum(dim=tuple(range(2, 2 + len(theirs) - len(kernel))))
    elif len(theirs) < len(kernel):
        missing = kernel[: len(kernel) - len(theirs)]
        weight = weight.reshape(*weight.shape[:2], *(1 for _ in missing), *theirs)
        weight = weight.expand(*weight.shape[:2], *missing, *theirs) / torch.Size(missing).numel()
    lengths = kernel or tuple(1 for _ in weight.shape[2:])
    margins = [(own - its) // 2 for own, its in zip(lengths, weight.shape[2:], strict=True)]
    weight = pad(weight, [margin for each in reversed(margins) for margin in (each, each)])  # negative ones cut off
    return weight.reshape(*weight.shape[:2], *kernel)


def describe_kernels(ours: Kernel, theirs: Kernel) -> str:
    """What `fit_kernel` does, in words."""
    own, its = (" x ".join(map(str, kernel)) or "1" for kernel in (ours, theirs))
    how = []
    if not is_point(theirs) and len(ours) > len(theirs):
        how.append("repeated along the axes that are missing, divided by their lengths")
    if not is_point(theirs) and len(theirs) > len(ours) > 0:
        how.append("summed over the axes that the target lacks")
    count = 0 if is_point(theirs) else min(len(ours), len(theirs))
    if ours[len(ours) - count :] != theirs[len(theirs) - count :] or not count:
        how.append("centred")
    return f"kernel {its} to {own}, {', '.join(how)}"


@dataclass(frozen=True, kw_only=True)
class KernelStep:
    """The step `fit` of a pair of convolutions that differ in their kernels alone."""

    ours: Kernel
    theirs: Kernel
    gives_bias: bool = False

    def describe(self) -> str:
        """What it does, in words."""
        return describe_kernels(self.ours, self.theirs)

    def apply(self, entries: Entries, sides: Sides) -> tuple[Entries, StepRecord]:
        """The weight with the target's kernel, and the share of ‖W'‖² that is left; the bias as it is."""
        before, after = self.energies(entries.weight)
        energy = {"energy": after / before if before else 0.0}
        weight = fit_kernel(entries.weight, self.ours)
        return Entries(weight, entries.bias), StepRecord("fit", self.describe(), energy)

    def energies(self, weight: Tensor) -> tuple[float, float]:
        """‖W'‖² before and after."""
        before, after = (float(values.double().square().sum()) for values in (weight, fit_kernel(weight, self.ours)))
        return before, after


def kernel_step(target: tuple[Anatomy, int], auxiliary: tuple[Anatomy, int], role: Role) -> KernelStep | None:
    """The step of a role that differs in its kernel alone; None where it differs in nothing, or in more."""
    return step_of(_stored_shape(*target, role), _stored_shape(*auxiliary, role))


def step_of(ours: tuple[int, ...], theirs: tuple[int, ...]) -> KernelStep | None:
    """As `kernel_step`, of two shapes (outputs, inputs, *kernel)."""
    if without_kernel(ours) == without_kernel(theirs) or ours[:2] != theirs[:2] or min(len(ours), len(theirs)) < 2:
        return None
    return None if kernel_fault(ours[2:], theirs[2:]) else KernelStep(ours=ours[2:], theirs=theirs[2:])


def explain_kernels(target: tuple[Anatomy, int], auxiliary: tuple[Anatomy, int], role: Role) -> str:
    """What prevents `kernel_step`, in words, for a role that both blocks have."""
    ours, theirs = _stored_shape(*target, role), _stored_shape(*auxiliary, role)
    if ours[:2] != theirs[:2]:
        return f"as many outputs and inputs, found {theirs[:2]} for {ours[:2]}"
    return kernel_fault(ours[2:], theirs[2:]) or "another kernel, found an equal one"


def _stored_shape(anatomy: Anatomy, block: int, role: Role) -> tuple[int, ...]:
    """(outputs, inputs, *kernel) of a role, with kernel axes of length 1."""
    slot = anatomy.slots[block, role]
    shape = dict(anatomy.matrices[block]).get(slot.weight.removeprefix(anatomy.paths[block]), slot.shape)
    return (*slot.shape[:2], *shape[2:])
