"""What earlier studies advise a race to try first, and the order of its runs that follows from it."""

from collections.abc import Mapping, Sequence

from crosspath.starts import FROZEN_ANCHOR, WHOLE_BODY
from crosspath.study.arms import COPY
from crosspath.study.decision.decision import WORDS, Advice, Readings
from crosspath.study.decision.lists import WITH_OWN_FILES, WITHOUT
from crosspath.study.race.ways import CANONICAL, MASKED, PRETRAINED, Way

OF_ARM: Mapping[str, Advice] = {
    MASKED.name: "masked",
    PRETRAINED.name: "masked",
    WHOLE_BODY.name: "pathway",
    CANONICAL.name: "pathway",
    FROZEN_ANCHOR.name: "pathway",
    COPY.name: "pathway",
}
"""{arm: the advice that means it}; no advice means the other arms."""


def advice_of(
    kinds: Mapping[str, str | None], *, labels: int | None, pretrained: bool, own_files: bool
) -> dict[str, Advice]:
    """{auxiliary: what earlier studies advise to try first with it}.

    Parameters
    ----------
    kinds
        {auxiliary: its modality, None where its files do not tell}.
    labels
        Of a class; None for all.
    pretrained
        Whether the target is a checkpoint.
    own_files
        Whether there are own files without labels.
    """
    decision = WITH_OWN_FILES if own_files else WITHOUT
    return {
        name: decision.advise(Readings(labels=labels, pretrained=pretrained, kind=kind)) for name, kind in kinds.items()
    }


def order_by_advice(ways: Sequence[Way], advice: Mapping[str, Advice]) -> tuple[Way, ...]:
    """`none`, then the ways that are advised, then the others: the order in which a round begins its runs."""
    none, *others = ways

    def is_advised(way: Way) -> bool:
        of_auxiliaries = advice.values() if way.auxiliary is None else [advice.get(way.auxiliary)]
        return way.arm.name in OF_ARM and OF_ARM[way.arm.name] in of_auxiliaries

    return (none, *sorted(others, key=lambda way: not is_advised(way)))


def advice_in_words(advice: Mapping[str, Advice]) -> str:
    """What is advised with which auxiliary, for a sentence; empty without auxiliaries."""
    names: dict[Advice, list[str]] = {}
    for name, one in advice.items():
        names.setdefault(one, []).append(name)
    return "; ".join(f"with {', '.join(some)}: {WORDS[one]}" for one, some in names.items())
