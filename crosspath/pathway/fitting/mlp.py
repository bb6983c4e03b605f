"""The channels inside an mlp. Its activation acts on each of them alone, so that they can be chosen, but not mixed."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from crosspath.layouts import Role
from crosspath.pathway.fitting.fit import Fit
from crosspath.pathway.fitting.maps import choice, first, neighbours


def hidden_maps(
    fit: Fit, ours: int, theirs: int, values: Callable[[], Mapping[Role, Tensor]]
) -> tuple[Tensor | None, Tensor | None]:
    """What acts on the outputs of `mlp_in` and `mlp_gate`, and on the inputs of `mlp_out`, each (ours, theirs).

    A wider target has all of theirs, and 0 in the others: exact. A narrower one has the first, the strongest (by the
    product of their norms in every matrix), or means of neighbours, whose outputs add up: exact for neighbours that are
    alike.
    """
    if ours == theirs:
        return None, None
    if fit == "average" and ours < theirs:
        return neighbours(ours, theirs, 1.0), neighbours(ours, theirs, 0.0)
    selection = first(ours, theirs)
    if fit in ("spectra", "learned") and ours < theirs:
        selection = choice(strongest_channels(ours, values()), ours, theirs)
    return selection, selection


def strongest_channels(count: int, values: Mapping[Role, Tensor]) -> list[int]:
    """The channels of the largest ‖row of mlp_in‖·‖row of mlp_gate‖·‖column of mlp_out‖, in their order."""
    strengths = [
        torch.linalg.vector_norm((values[role].T if role == "mlp_out" else values[role]).detach().cpu().double(), dim=1)
        for role in ("mlp_in", "mlp_gate", "mlp_out")
        if role in values
    ]
    product = torch.stack(strengths).log().sum(0)
    return sorted(product.argsort(descending=True, stable=True)[:count].tolist())
