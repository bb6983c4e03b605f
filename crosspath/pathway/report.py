"""The result of `match`: pairs, mismatches, accepted differences, and what could not be checked."""

from dataclasses import dataclass, field

from crosspath.counts import quantity
from crosspath.layouts import Role
from crosspath.pathway.anatomy.slot import Slot
from crosspath.pathway.derivation import Derivation


@dataclass(frozen=True)
class Pair:
    """One piece of a target weight with the auxiliary's counterpart."""

    target: Slot
    auxiliary: Slot
    role: Role | None
    """None for weights chosen by name."""
    heads: int | None = None
    """The target's head count in this block, where it states one."""
    derivation: Derivation | None = None
    """How W' is made from the auxiliary's entries; None where it is these entries."""

    @property
    def has_biases(self) -> bool:
        """Whether there are both a bias of the target and one to add to it."""
        if self.target.bias is None:
            return False
        return self.auxiliary.bias is not None or (self.derivation is not None and self.derivation.gives_bias)


@dataclass(frozen=True)
class Mismatch:
    """Why a chosen weight does not pair, or differs in meaning, and what would resolve it."""

    what: str
    where: str
    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}; {self.remedy}"


@dataclass(frozen=True, repr=False)
class MatchReport:
    """What `connect` would do with the same arguments. Printing it shows a table, what needs attention first."""

    pairs: tuple[Pair, ...]
    mismatches: tuple[Mismatch, ...]
    """What stops `connect`."""
    accepted: tuple[Mismatch, ...] = ()
    """Differences the user accepted."""
    unverified: tuple[str, ...] = ()
    """What could not be checked, because one side does not state it."""
    not_chosen: tuple[str, ...] = ()
    """Weights of the blocks that stay as they are, each with its role or the reason, and attentions outside of the
    blocks; empty beside mismatches."""
    layouts: tuple[str, str] = field(default=("by name", "by name"))
    coverage: float | None = None
    """The share of the entries of all matrices in the target's blocks that pair, 0 to 1; None for weights by name."""
    fitted: tuple[str, ...] = ()
    """What `fit=` does: to depth, stream, heads and mlp, what is exact and what is not, and how much of W' it keeps."""
    notes: tuple[str, ...] = ()
    """How many weights a canonical pathway folds, what it leaves different, and biases that it leaves out because they
    change nothing.
    """

    @property
    def without_bias(self) -> tuple[str, ...]:
        """Pairs without two biases, which `bias=True` skips. The printed report leaves out those without any."""
        return tuple(str(pair.target) for pair in self.pairs if not pair.has_biases)

    @property
    def ok(self) -> bool:
        """Whether everything chosen pairs."""
        return bool(self.pairs) and not self.mismatches

    def __repr__(self) -> str:
        share = "" if self.coverage is None else f", {self.coverage:.1%} of the blocks' matrices"
        counts = [quantity(len(self.mismatches), "mismatch", "mismatches"), f"{len(self.unverified)} unverified"]
        more = "".join(f", {count}" for count in counts if not count.startswith("0 "))
        return (
            f"<MatchReport: {self.layouts[0]} <- {self.layouts[1]}, {quantity(len(self.pairs), 'pair')}{share}{more}>"
        )

    def __str__(self) -> str:
        share = "" if self.coverage is None else f", {self.coverage:.1%} of the blocks' matrices"
        lines = [f"{self.layouts[0]} <- {self.layouts[1]}: {quantity(len(self.pairs), 'pair')}{share}"]
        for title, entries in (
            ("does not pair", self.mismatches),
            ("accepted", self.accepted),
            ("fitted", self.fitted),
            ("unverified", self.unverified),
            ("canonical", self.notes),
        ):
            lines += [f"  {title:17} {entry}" for entry in entries]
        for pair in self.pairs:
            lines.append(f"  {pair.role or 'by name':17} {pair.target} <- {pair.auxiliary}")
        one_bias = [
            pair.target for pair in self.pairs if (pair.target.bias or pair.auxiliary.bias) and not pair.has_biases
        ]
        for title, slots in (("not chosen", self.not_chosen), ("no pair of biases", one_bias)):
            lines += [f"  {title:17} {slot}" for slot in slots]
        return "\n".join(lines)
