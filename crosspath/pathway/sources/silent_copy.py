"""A copy of a block whose matrices are zero, and inputs to run it with. It shows what the block does with its norms;
the block itself is never run.
"""

import copy
import inspect
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from crosspath.pathway.engines.held_weight import WEIGHTS
from crosspath.pathway.engines.pathway_weight import INSIDE
from crosspath.pathway.sources.wrappers import unwrap_block, without_activation_wrappers

GRID = (4, 4)
"""Height and width of the tokens where nothing in the block states them."""
GRIDS = ("input_resolution", "window_size", "feat_size", "grid_size")
"""Attributes that state them."""
LARGEST_GRID = 1024
"""Tokens to try at most: a window of text may have thousands."""
SIZES = re.compile(r"input_dimensions|feat_size|input_size|spatial_shape|size|shape|hw|grid|resolution")
TOKENS = re.compile(r"memory|key|value|context|encoder_hidden_states")
NORM = re.compile(r"(?<!weight)(?<!spectral)norm|^dyt$|^ln(?![a-z])", re.IGNORECASE)
HOOKS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks_with_kwargs",
    "_backward_hooks",
    "_backward_pre_hooks",
)


@dataclass(frozen=True)
class Call:
    """Arguments of one forward."""

    tokens: Tensor
    others: tuple[Any, ...] = ()
    keywords: dict[str, Any] = field(default_factory=dict)


def silent_copy(block: nn.Module) -> nn.Module:
    """A copy in evaluation mode, without hooks: matrices are 0, so that attention and mlp give the same for any input;
    norms, scales, biases and depthwise kernels are 1. A block on the meta device is copied to the CPU.

    The values of parameters are neither read nor copied. Raises whatever the block raises on copying.
    """
    block = unwrap_block(block)
    memo: dict[int, Any] = {}
    for module in block.modules():
        for parameter in module._parameters.values():
            if parameter is not None and id(parameter) not in memo:
                value = _constant(parameter, 0.0 if is_matrix(parameter) and not is_norm(module) else 1.0)
                memo[id(parameter)] = nn.Parameter(value, requires_grad=False)
        if WEIGHTS in module._modules:
            memo[id(module._modules[WEIGHTS])] = nn.Module()  # W, W' and λ stand beside a plain layer.
        for buffer in module._buffers.values():
            if buffer is not None and buffer.is_meta:
                memo[id(buffer)] = _constant(buffer, 0.0)
        for attribute in vars(module).values():
            # A weight that hooks or earlier forwards have computed, which torch does not copy.
            if isinstance(attribute, Tensor) and (not attribute.is_leaf or attribute.is_meta):
                memo[id(attribute)] = _constant(attribute, 0.0)
    clone = without_activation_wrappers(copy.deepcopy(block, memo))
    for module in clone.modules():
        for hooks in HOOKS:
            getattr(module, hooks).clear()
    return _plain(clone.eval())


def _plain(clone: nn.Module) -> nn.Module:
    """The copy with constants in place of parametrized weights: some compute no finite value from zeros."""
    for module in list(clone.modules()):
        if not parametrize.is_parametrized(module):
            continue
        with torch.no_grad():
            weights = {name: getattr(module, name) for name in module.get_submodule(INSIDE)._modules}
            del module._modules[INSIDE]
        # The class that computes them belongs to the block as well, which keeps it.
        module.__class__ = type(module).__bases__[0]
        for name, weight in weights.items():
            value = _constant(weight, 0.0 if is_matrix(weight) else 1.0)
            module.register_parameter(name, nn.Parameter(value, requires_grad=False))
    return clone


def _constant(like: Tensor, value: float) -> Tensor:
    device = torch.device("cpu") if like.is_meta else like.device
    # One value for all entries: a block of many experts would not fit into memory twice.
    return torch.tensor(value, dtype=like.dtype, device=device).expand(like.shape)


def is_matrix(weight: Tensor) -> bool:
    """Whether a weight mixes channels: not a depthwise kernel, nor a scale stored with further axes."""
    return weight.ndim == 2 or (weight.ndim > 2 and weight.shape[1] > 1 and weight.numel() > max(weight.shape))


def is_norm(module: nn.Module) -> bool:
    """Whether a module normalises: by its class's name, since libraries have dozens of their own."""
    return NORM.search(type(module).__name__) is not None and not any(
        parameter.ndim > 1 for child in module.children() for parameter in child.parameters()
    )


def norms_in(block: nn.Module) -> list[nn.Module]:
    """The norms of a block; of nested ones the outermost."""
    norms = {name: module for name, module in block.named_modules() if name and is_norm(module)}
    return [module for name, module in norms.items() if not any(name.startswith(f"{outer}.") for outer in norms)]


def calls(block: nn.Module, width: int | None) -> Iterator[Call]:
    """Calls to try, the likeliest first: tokens as (1, N, D), (1, H, W, D), (1, D, H, W) and (1, D, N), of each width
    that a norm or a matrix suggests, with what else the block's forward requires.
    """
    like = next((p for p in block.parameters() if p.is_floating_point()), torch.zeros((), device="cpu"))
    widths = [width] if width is not None else _widths(block)
    for size in widths:
        for (height, columns), count in _grids(block):
            shapes: list[tuple[int, ...]] = [(1, count, size)]
            if count == height * columns:
                shapes += [(1, height, columns, size), (1, size, height, columns), (1, size, count)]
            for shape in shapes:
                tokens = (
                    torch.linspace(-1.0, 1.0, math.prod(shape), device="cpu")
                    .sin()
                    .reshape(shape)
                    .to(like.device, like.dtype)
                )
                for with_mask in (False, True):
                    for with_rotation in (False, True):
                        call = _call(
                            block, tokens, (height, columns), size, with_mask=with_mask, with_rotation=with_rotation
                        )
                        if call is not None:
                            yield call


def _widths(block: nn.Module) -> list[int]:
    norms = [p.numel() for norm in norms_in(block) for p in norm.parameters() if p.ndim == 1]
    matrices = [p.shape[1] for p in block.parameters() if is_matrix(p)]
    return list(dict.fromkeys([*norms, *matrices]))


def _grids(block: nn.Module) -> list[tuple[tuple[int, int], int]]:
    """(height and width, number of tokens) to try."""
    grids: list[tuple[tuple[int, int], int]] = []
    for module in block.modules():
        for name in GRIDS:
            value = getattr(module, name, None)
            value = (value, value) if isinstance(value, int) else value
            if isinstance(value, tuple | list) and len(value) == 2 and all(isinstance(v, int) and v > 0 for v in value):
                grid = (value[0], value[1])
                if math.prod(grid) > LARGEST_GRID:
                    continue
                grids += [(grid, math.prod(grid)), (grid, math.prod(grid) + 1)]
    return list(dict.fromkeys([*grids, (GRID, math.prod(GRID)), ((8, 8), 64)]))


def _call(
    block: nn.Module, tokens: Tensor, grid: tuple[int, int], width: int, *, with_mask: bool, with_rotation: bool
) -> Call | None:
    """None where the block takes neither a mask nor rotary positions, and one is asked for."""
    parameters = list(inspect.signature(block.forward).parameters.values())
    others: list[Any] = []
    keywords: dict[str, Any] = {}
    count = math.prod(tokens.shape[1:-1])
    uses_mask = uses_rotation = False
    for parameter in parameters[1:]:
        variadic = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        value: Any = None
        if with_mask and "mask" in parameter.name:
            value, uses_mask = torch.ones(1, 1, count, count, dtype=torch.bool, device=tokens.device), True
        elif with_rotation and parameter.name == "position_embeddings":
            value, uses_rotation = _rotation(block, tokens, count, width), True
        elif variadic or parameter.default is not parameter.empty:
            continue
        else:
            value = _argument(parameter, tokens, grid)
        if parameter.kind is parameter.KEYWORD_ONLY or parameter.default is not parameter.empty:
            keywords[parameter.name] = value
        else:
            others.append(value)
    if with_mask != uses_mask or with_rotation != uses_rotation:
        return None
    return Call(tokens, tuple(others), keywords)


def _argument(parameter: inspect.Parameter, tokens: Tensor, grid: tuple[int, int]) -> Any:
    name = parameter.name
    if name in ("h", "H", "height"):
        return grid[0]
    if name in ("w", "W", "width"):
        return grid[1]
    if TOKENS.fullmatch(name):
        return tokens
    return grid if SIZES.fullmatch(name) else None


def _rotation(block: nn.Module, tokens: Tensor, count: int, width: int) -> tuple[Tensor, Tensor]:
    """Cosine and sine of rotary positions that turn nothing."""
    sizes = (getattr(module, "head_dim", None) for module in block.modules())
    size = next((size for size in sizes if isinstance(size, int)), width)
    return tokens.new_ones(1, count, size), tokens.new_zeros(1, count, size)
