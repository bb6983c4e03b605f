"""Parameters whose values lie in the same memory, though they are several objects: `one.data = other.data`."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


def repeats_entries(tensor: Tensor) -> bool:
    """Whether several entries are one place in memory, as `expand` makes them: nothing can be stored there."""
    strides = tensor.stride() if tensor.layout == torch.strided else ()
    return any(step == 0 and size > 1 for size, step in zip(tensor.shape, strides, strict=False))


def memory_sharers(tensors: Mapping[str, Tensor]) -> dict[str, list[str]]:
    """{name: the others that share some of its entries}, of those that share any."""
    spans = sorted((str(tensor.device), *_span(tensor), name) for name, tensor in tensors.items() if _is_plain(tensor))
    sharers: dict[str, list[str]] = {}
    before: list[tuple[str, int, int, str]] = []
    for device, start, stop, name in spans:
        before = [span for span in before if span[0] == device and span[2] > start]
        for *_, other in before:
            if tensors[name] is not tensors[other] and _overlap(tensors[name], tensors[other]):
                sharers.setdefault(name, []).append(other)
                sharers.setdefault(other, []).append(name)
        before.append((device, start, stop, name))
    return sharers


def _is_plain(tensor: Tensor) -> bool:
    """Whether its address is that of its values: not on the meta device, sharded, quantised, lazy or sparse."""
    plain = type(tensor) in (Tensor, nn.Parameter) and tensor.layout == torch.strided
    return plain and not tensor.is_meta and tensor.numel() > 0


def _span(tensor: Tensor) -> tuple[int, int]:
    """Where its entries begin and end, in bytes."""
    reach = sum((size - 1) * step for size, step in zip(tensor.shape, tensor.stride(), strict=True))
    return tensor.data_ptr(), tensor.data_ptr() + (reach + 1) * tensor.element_size()


def _overlap(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors of crossing spans share an entry: columns of one matrix may cross and share none."""
    (start, stop), (its_start, its_stop) = _span(one), _span(other)
    size = one.element_size()
    if size != other.element_size() or (start - its_start) % size:
        return True
    first = min(start, its_start)
    mask = torch.zeros((max(stop, its_stop) - first) // size, dtype=torch.bool, device="cpu")
    _entries(mask, one, (start - first) // size).fill_(True)
    return bool(_entries(mask, other, (its_start - first) // size).any())


def _entries(mask: Tensor, tensor: Tensor, start: int) -> Tensor:
    shape = [1 if step == 0 else size for size, step in zip(tensor.shape, tensor.stride(), strict=True)]
    return mask.as_strided(shape, tensor.stride(), start)
