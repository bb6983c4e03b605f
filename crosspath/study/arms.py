"""The arms of a comparison: the purpose of each, and its changes to the recipe that all arms share."""

from dataclasses import dataclass, replace
from typing import Literal

from crosspath.errors import InputError

Requirement = Literal["nothing", "auxiliary", "same-modality", "pretraining"]


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One line of a comparison."""

    name: str
    meaning: str
    """One sentence for first-time readers of the table."""
    needs: Requirement = "auxiliary"
    """What it is made from."""
    settings: tuple[str, ...] = ()
    """`section.field=value` in addition to those of every arm."""

    @property
    def is_alone(self) -> bool:
        """Whether it has no auxiliary, and so exists once per target rather than once per auxiliary."""
        return self.needs in ("nothing", "pretraining")


NONE = Arm(
    name="none",
    meaning="The target alone, trained as usual: the baseline of every other arm.",
    needs="nothing",
)
PATHWAY = Arm(
    name="pathway",
    meaning="Every linear layer of the target uses W + λ·W′, where W′ starts as the weight of an auxiliary trained on "
    "another modality.",
)
FROZEN = Arm(
    name="pathway-frozen",
    meaning="The same pathway with W′ frozen: only λ and the target are trained.",
    settings=("pathway.train_auxiliary=false",),
)
RANDOM = Arm(
    name="random",
    meaning="The same pathway, but W′ starts from random values with the auxiliary's shapes and root mean squares, "
    "redrawn for each seed: the effect of the extra parameters alone.",
)
SHUFFLED = Arm(
    name="shuffled",
    meaning="The same pathway, but the auxiliary's values are permuted within each matrix: its statistics without its "
    "structure.",
)
SPECTRUM = Arm(
    name="spectrum",
    meaning="The same pathway, but each matrix keeps only the auxiliary's singular values, in random bases: its "
    "conditioning without its directions.",
)
MIMETIC = Arm(
    name="mimetic",
    meaning="No pathway: attention starts in closed form, with query times key near the identity and value times "
    "output near its negative, as observed in trained transformers (Trockman and Kolter 2023).",
    needs="nothing",
)
COPY = Arm(
    name="copy",
    meaning="No pathway: the target starts from a copy of the auxiliary's weights.",
)
LORA = Arm(
    name="lora",
    meaning="No pathway: the body is frozen, and a rank-1 adapter for each weight matrix of every block "
    "learns together with the head (LoRA, Hu et al. 2021).",
    needs="nothing",
    # Checkpoints before the end would hold adapters, which only a plain model's reader could not tell.
    settings=("train.scope=all", "train.checkpoint_every=null", "train.checkpoint_steps=null"),
)
LORA_8 = replace(LORA, name="lora-8", meaning=LORA.meaning.replace("rank-1", "rank-8"))
MASKED = Arm(
    name="masked-modelling",
    meaning="No pathway: the target starts from masked modelling of its own unlabelled data.",
    needs="pretraining",
)
SAME_MODALITY = Arm(
    name="same-modality",
    meaning="A pathway from an auxiliary of the target's own modality: the effect of related features.",
    needs="same-modality",
)
ARMS = {
    arm.name: arm
    for arm in (NONE, PATHWAY, FROZEN, RANDOM, SHUFFLED, SPECTRUM, MIMETIC, COPY, LORA, LORA_8, MASKED, SAME_MODALITY)
}


def arms_named(names: tuple[str, ...]) -> tuple[Arm, ...]:
    """The arms with these names, and always `none`, which comes first. Raises `InputError` for an unknown name."""
    for name in names:
        if name not in ARMS:
            raise InputError("arms", f"one of {', '.join(ARMS)}", repr(name), "choose among them")
    return tuple(arm for arm in ARMS.values() if arm.name in {NONE.name, *names})
