"""What stands around the matrices of a block: the norm that feeds each, and the layer scale that multiplies its output.

Of a module it is shown by running a copy of one block (shown_surroundings.py), of a file it is read from names
(named_surroundings.py).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import gelu, layer_norm, relu, rms_norm, silu

NormKind = Literal["layer", "rms"]
KINDS: Mapping[NormKind, str] = {"layer": "LayerNorm", "rms": "RMSNorm"}


@dataclass(frozen=True)
class NormBefore:
    """A norm, N(x) = scale ⊙ n(x) + shift: the parameters' names inside the block, None where it has none."""

    kind: NormKind
    scale: str | None = None
    shift: str | None = None
    eps: float | None = None
    """None where nothing states it."""
    offset: float = 0.0
    """What is added to the stored scale; 1 in Gemma's blocks."""


@dataclass(frozen=True)
class Surroundings:
    """What is around the matrices of one block, by names inside the block."""

    norms: Mapping[str, NormBefore] = field(default_factory=dict)
    """{matrix: the norm whose output it reads}."""
    layer_scales: Mapping[str, str] = field(default_factory=dict)
    """{matrix: what multiplies its output, channel by channel, on the way to the residual stream}."""
    others: tuple[str, ...] = ()
    """What else the block computes with, and no fold accounts for: norms of queries, tables of positions."""
    activation: str | None = None
    """Of the mlp, by its name in `ACTIVATIONS`; None where it is none of these."""
    positions: bool | None = None
    """Whether the block itself handles positions (rotary, relative); None where nothing shows it."""
    unread: tuple[str, ...] = ()
    """Matrices that the block does not apply to its tokens alone, such as those of another attention."""
    caveats: tuple[str, ...] = ()
    """What names alone say."""


@dataclass(frozen=True)
class Unfoldable:
    """Why it cannot be said what stands around the matrices of a block, or why that cannot be folded."""

    reason: str
    remedy: str = 'accept={"fold"} takes these weights as they are'


def quick_gelu(x: Tensor) -> Tensor:
    """CLIP's approximation."""
    return x * torch.sigmoid(1.702 * x)


def tanh_gelu(x: Tensor) -> Tensor:
    """GPT-2's approximation."""
    return gelu(x, approximate="tanh")


def squared_relu(x: Tensor) -> Tensor:
    """Primer's."""
    return relu(x).square()


ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "gelu": gelu,
    "gelu_tanh": tanh_gelu,
    "quick_gelu": quick_gelu,
    "relu": relu,
    "silu": silu,
    "squared_relu": squared_relu,
}
PROBE = torch.linspace(-4.0, 4.0, 9, dtype=torch.float64, device="cpu")


def activation_like(values: Tensor) -> str | None:
    """The activation that gives these values for `PROBE`."""
    return next((name for name, f in ACTIVATIONS.items() if torch.allclose(f(PROBE), values, atol=1e-5)), None)


def plain_norms(x: Tensor, eps: float) -> Iterator[tuple[NormKind, Tensor]]:
    """What each kind of norm gives for x along its last axis, without scale and shift."""
    size = x.shape[-1:]
    yield "layer", layer_norm(x, size, eps=eps)
    yield "rms", rms_norm(x, size, eps=eps)
