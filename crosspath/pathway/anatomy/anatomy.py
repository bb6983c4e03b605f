"""What is where in a source: its blocks, the roles of their weights, and what has none."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from crosspath.layouts import Layout, Norm, Role
from crosspath.pathway.anatomy.slot import Slot


@dataclass(frozen=True)
class Ambiguity:
    """Why it is undecided which rows of an existing weight belong to a role."""

    reason: str
    remedy: str
    what: Literal["order", "size"] = "order"
    """What is undecided: the order of the rows, or how many each role has."""
    whole: Role | None = None
    """The role under which the undivided weight pairs with one of the same architecture."""
    kind: type | None = None
    """The class of the module whose order is undecided; None in a state dict, which may be of any class."""

    def pairs_whole(self, other: "Ambiguity | None") -> bool:
        """Whether the undivided weights pair: each is of one class, or of a class that is not known."""
        if other is None or self.whole is None or other.whole is None:
            return False
        return self.kind is None or other.kind is None or self.kind is other.kind


@dataclass(frozen=True)
class Anatomy:
    """One source by blocks and roles."""

    layout: Layout
    blocks: tuple[int, ...]
    """As their names number them; blocks in stages, or of several lists, are numbered consecutively."""
    slots: Mapping[tuple[int, Role], Slot]
    """Matrices without a role stand under their own path, and pair with a block of the same architecture only."""
    ambiguous: Mapping[tuple[int, Role], Ambiguity]
    heads: Mapping[int, int]
    """Head count of each block that states one."""
    norm: Norm | None
    """Where the layout says that its models normalise; `norms` comes before it."""
    prefix: str
    paths: Mapping[int, str]
    """Dotted name of each block, with a final dot; empty for a model that is itself the block."""
    key_value_heads: Mapping[int, int] = field(default_factory=dict)
    """Of each block whose head count is in `heads` and stated with it: fewer in grouped-query attention."""
    norms: Mapping[int, Norm] = field(default_factory=dict)
    """Where each block normalises, of those that show or state it."""
    normless: frozenset[int] = frozenset()
    """Blocks without norms."""
    non_matrices: Mapping[tuple[int, str], str] = field(default_factory=dict)
    """{(block, weight): why it is no matrix of a layer} for weights of two dimensions or more."""
    matrices: Mapping[int, frozenset[tuple[str, tuple[int, ...]]]] = field(default_factory=dict)
    """Of each block: (name inside the block, shape) of every matrix, which tell blocks of one architecture."""
    lists: tuple[str, ...] = ()
    """The lists of blocks that hold an attention, with # for numbers (`list_of`); one for most models."""
    others: Mapping[str, str] = field(default_factory=dict)
    """{what is left out, beside the blocks: why}."""
    attending: frozenset[int] = frozenset()
    """Blocks that hold an attention."""
    by_names: bool = False
    """Whether a table's names alone say in which order fused weights hold their roles, as no class is known."""
    gates_by_names: Mapping[tuple[int, Role], type | None] = field(default_factory=dict)
    """{(block, gate): class of its mlp, None in a state dict} where names alone say which input the activation acts on.
    """

    def roles(self, block: int) -> tuple[Role, ...]:
        """Every role of a block, decided or not."""
        return tuple(dict.fromkeys(role for index, role in (*self.slots, *self.ambiguous) if index == block))

    def has_gate(self, block: int) -> bool:
        """Whether the block's mlp is a gated one."""
        return (block, "mlp_gate") in self.slots or (block, "mlp_gate") in self.ambiguous
