"""The ways of starting that `try` races: what each does to a target before and while it trains."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from crosspath.starts import FROZEN_ANCHOR, GENTLE, PAPER, SETTING, WHOLE_BODY
from crosspath.study.arms import COPY, MIMETIC, NONE, RANDOM, Arm
from crosspath.study.arms import MASKED as MASKED_ARM
from crosspath.study.jobs import RANDOM_COPY

PRETRAINED = Arm(name="pretrained", meaning="the pretrained model of --from", needs="nothing")
FROZEN_BODY = Arm(
    name="frozen-body",
    meaning="the pretrained model with its body frozen, whose head alone learns",
    needs="nothing",
    settings=("train.scope=head",),
)
STARTS = {
    PAPER: "a pathway from {auxiliary} that starts at λ = 0, as in the paper",
    WHOLE_BODY: "a pathway from {auxiliary} at full strength from the first step",
    FROZEN_ANCHOR: "a pathway from {auxiliary} at full strength, its weights frozen",
    GENTLE: "a gentle pathway from {auxiliary}",
}
"""{start of a pathway: what it is, for a sentence}."""
STORE_AUXILIARY = ("pathway.train_auxiliary=true", "optimizer.auxiliary_lr=0")
"""W′ stays as it is, and is saved with the model: random weights have no file that a reference could name."""
FROM_SCRATCH = (PAPER, WHOLE_BODY, FROZEN_ANCHOR)
PRETRAINED_TARGET = (PAPER, GENTLE)
"""The other starts would shrink the weights of a target that is pretrained itself, and a copy would write over them."""
CANONICAL = Arm(
    name=f"{WHOLE_BODY.name}-canonical",
    meaning="a pathway from {auxiliary}, its norms and biases folded in, at full strength from the first step",
    needs="nothing",
    settings=(f"{SETTING}={WHOLE_BODY.name}", "pathway.canonical=true", "pathway.bias=true"),
)
"""For models of other libraries, whose matrices mean little without the norms they were trained with."""
COPY_AUXILIARY = replace(COPY, meaning="a copy of {auxiliary}")
MASKED = replace(MASKED_ARM, meaning="masked modelling on your own files")
CLOSED_FORM = replace(MIMETIC, meaning="attention that starts in closed form")
PLAIN = replace(NONE, meaning="the plain model")


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way of starting."""

    arm: Arm
    auxiliary: str | None = None
    """Its name; None for a way without one."""
    from_: Path | None = None
    """The checkpoint that the target starts from."""

    @property
    def name(self) -> str:
        """As in folders and tables: `whole-body-sounds`."""
        return self.arm.name if self.auxiliary is None else f"{self.arm.name}-{self.auxiliary}"

    @property
    def words(self) -> str:
        """What it is, for a sentence."""
        return self.arm.meaning.format(auxiliary=self.auxiliary)

    @property
    def pretrains(self) -> bool:
        """Whether every run begins with masked modelling of its own training part."""
        return self.arm.name == MASKED.name

    @property
    def control(self) -> "Way | None":
        """The same with random weights in place of the auxiliary's; None for a way without an auxiliary."""
        if self.auxiliary is None:
            return None
        name = RANDOM_COPY if self.arm.name == COPY.name else RANDOM.name
        settings = (*self.arm.settings, *(STORE_AUXILIARY if self.arm.name == FROZEN_ANCHOR.name else ()))
        meaning = "random weights in place of {auxiliary}"
        return replace(self, arm=replace(self.arm, name=name, meaning=meaning, settings=settings))


def ways_of(
    auxiliaries: Sequence[str], *, target: Path | None, pretrained: Path | None, canonical: Collection[str] = ()
) -> Iterator[Way]:
    """Every way, `none` first.

    Parameters
    ----------
    auxiliaries
        Their names.
    target
        The checkpoint that every way starts from, `none` too, where the target is one.
    pretrained
        A model of the target's own modality, which is a way of its own.
    canonical
        Names of those auxiliaries that are raced in canonical form too.
    """
    yield Way(arm=PLAIN, from_=target)
    if target is None:
        yield Way(arm=CLOSED_FORM)
    yield Way(arm=MASKED, from_=target)
    if pretrained is not None:
        yield Way(arm=PRETRAINED, from_=pretrained)
    if (body := target or pretrained) is not None:
        yield Way(arm=FROZEN_BODY, from_=body)
    for auxiliary in auxiliaries:
        for start in FROM_SCRATCH if target is None else PRETRAINED_TARGET:
            arm = Arm(name=start.name, meaning=STARTS[start], settings=(f"{SETTING}={start.name}",))
            yield Way(arm=arm, auxiliary=auxiliary, from_=target)
        if target is None:
            if auxiliary in canonical:
                yield Way(arm=CANONICAL, auxiliary=auxiliary)
            yield Way(arm=COPY_AUXILIARY, auxiliary=auxiliary)
