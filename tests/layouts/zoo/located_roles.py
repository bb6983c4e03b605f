"""Roles that are located in a model, held against the hand-written table of its configuration."""

from collections.abc import Iterator

from torch import nn

from crosspath.layouts import Layout
from crosspath.pathway.anatomy.locate import locate
from crosspath.pathway.anatomy.slot import Slot
from crosspath.pathway.sources.source import ModuleSource
from tests.layouts.zoo.configuration import Configuration

ROLES = ("query", "key", "value", "attention_output", "mlp_gate", "mlp_in", "mlp_out")
LIBRARIES = ("timm", "transformers", "torch", "torchvision", "open_clip")
OUTSIDE = ("attn_pool.", "head.")
"""Parts of a model that are no block: what pools its tokens, and its head."""
Places = dict[str, list[tuple[str, Slot]]]


def role_faults(configuration: Configuration, model: nn.Module, layout: Layout | None = None) -> Iterator[str]:
    """Each weight whose located role is not the table's, and each role of the table that is in no block."""
    anatomy = locate(ModuleSource(model), layout)
    if anatomy is None:
        yield "no blocks are located"
        return
    places: Places = {}
    for (_, role), slot in anatomy.slots.items():
        places.setdefault(slot.weight, []).append((role, slot))
    names = [name for name, parameter in model.named_parameters() if parameter.dim() > 1]
    blocks = tuple(anatomy.paths.values())
    if configuration.complete:
        expected = {name: _by_end(configuration, name) for name in names}
    else:
        inside = {block + key: role for block in blocks for key, role in configuration.roles.items()}
        expected = {name: inside[name] for name in names if name in inside}
    open_names = {
        anatomy.paths[index] + str(ambiguity.whole) + ".weight" for (index, _), ambiguity in anatomy.ambiguous.items()
    }
    for name, role in expected.items():
        if name in open_names and configuration.name.partition(" ")[0] not in LIBRARIES:
            continue  # a class of nobody's library: the order of its rows is asked for
        if name.startswith(blocks):
            yield from _fault(name, role, places.get(name, []))
        elif not role.endswith("none") and not name.startswith(OUTSIDE):
            yield f"{name}: expected {role}, stands in no located block"
    for key, role in configuration.roles.items():
        if not role.endswith("none") and not any(f".{name}".endswith(_end(key)) for name in expected):
            yield f"{key} ({role}): no weight of a block is called so"


def _fault(name: str, expected: str, found: list[tuple[str, Slot]]) -> Iterator[str]:
    words = _words(found)
    if words == expected.removeprefix("another ").removesuffix(" or none"):
        if expected.startswith("another ") and not all("." in role for role, _ in found):
            yield f"{name}: expected a branch of its own, located as the block's only {words}"
    elif not (expected.endswith("none") and words == "none"):
        yield f"{name}: expected {expected}, located {words}"


def _end(key: str) -> str:
    return f".{key.removeprefix('.')}"


def _by_end(configuration: Configuration, name: str) -> str:
    """The role of the longest entry that this name ends with; `none` where there is none."""
    ends = [key for key in configuration.roles if f".{name}".endswith(_end(key))]
    return configuration.roles[max(ends, key=len)] if ends else "none"


def _words(found: list[tuple[str, Slot]]) -> str:
    """`head-major query+key+value` for the roles of one weight, without what prefixes those of a branch."""
    parts = sorted((slot.start, role.rpartition(".")[2], slot.groups, slot.shape[0]) for role, slot in found)
    own = [part for part in parts if part[1] in ROLES]
    words = "+".join(role for _, role, _, _ in own) or "none"
    if len(own) < 2 or own[0][2] == 1:
        return words
    return f"{'interleaved' if own[0][2] == own[0][3] else 'head-major'} {words}"
