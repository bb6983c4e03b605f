"""The arms of a comparison: what each is for, and what it changes in the recipe that all arms share."""

from dataclasses import dataclass
from typing import Literal

from crosspath.errors import InputError

Given = Literal["nothing", "auxiliary", "same-modality"]


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One line of a comparison."""

    name: str
    meaning: str
    """One sentence for a reader who sees the table for the first time."""
    needs: Given = "auxiliary"
    """What it is made from; an arm that needs nothing is one for each target, not one for each auxiliary."""
    settings: tuple[str, ...] = ()
    """`section.field=value` beside those of every arm."""


NONE = Arm(
    name="none",
    meaning="The target alone, trained as usual: what every other arm is measured against.",
    needs="nothing",
)
PATHWAY = Arm(
    name="pathway",
    meaning="Every linear layer of the target works with W + λ·W′, where W′ starts as the weight of the auxiliary that "
    "was trained on the other modality.",
)
FROZEN = Arm(
    name="pathway-frozen",
    meaning="The same pathway, but W′ stays as the auxiliary left it: only λ and the target learn.",
    settings=("pathway.train_auxiliary=false",),
)
RANDOM = Arm(
    name="random",
    meaning="The same pathway, but W′ starts as fresh random values of the auxiliary's shapes and root mean squares, "
    "drawn anew for each seed: what the extra parameters give without anything learned elsewhere.",
)
SHUFFLED = Arm(
    name="shuffled",
    meaning="The same pathway, but the auxiliary's own values are permuted inside each matrix: its statistics without "
    "its structure.",
)
SPECTRUM = Arm(
    name="spectrum",
    meaning="The same pathway, but each matrix keeps only the auxiliary's singular values, in random bases: its "
    "conditioning without its directions.",
)
MIMETIC = Arm(
    name="mimetic",
    meaning="No pathway: attention starts in closed form, query times key near the identity and value times output "
    "near its negative (Trockman and Kolter 2023), as trained transformers are found to be.",
    needs="nothing",
)
COPY = Arm(
    name="copy",
    meaning="No pathway: the auxiliary's weights are copied over the target's as its start.",
)
SAME_MODALITY = Arm(
    name="same-modality",
    meaning="A pathway from an auxiliary of the target's own modality: what related features give.",
    needs="same-modality",
)
ARMS = {arm.name: arm for arm in (NONE, PATHWAY, FROZEN, RANDOM, SHUFFLED, SPECTRUM, MIMETIC, COPY, SAME_MODALITY)}


def arms_named(names: tuple[str, ...]) -> tuple[Arm, ...]:
    """The arms of these names, `none` first and always among them. Raises `InputError` for an unknown one."""
    for name in names:
        if name not in ARMS:
            raise InputError("arms", f"of {', '.join(ARMS)}", repr(name), "choose among them")
    return tuple(arm for arm in ARMS.values() if arm.name in {NONE.name, *names})
