"""What a run advises for an auxiliary that had no part in its result."""

import pytest

from crosspath.training.pathways import idle_pathways

IDLE = {"blocks.0.mlp.fc1.weight": {"audio": 1e-4}}


@pytest.mark.parametrize(
    ("scale_init", "pretrained", "frozen", "advice"),
    [
        (0.0, False, False, "--start whole-body"),
        (0.0, True, False, "--start gentle"),
        (0.01, False, False, "a larger pathway.scale_init"),
        # A start says whether W' trains, and of a frozen body it does not.
        (0.0, True, True, "a larger optimizer.scale_lr"),
    ],
)
def test_the_advice_fits_what_learns(scale_init: float, pretrained: bool, frozen: bool, advice: str) -> None:
    (note,) = idle_pathways(IDLE, IDLE, scale_init=scale_init, pretrained=pretrained, frozen_body=frozen)
    assert note.startswith("the pathway from audio had no part in this result")
    assert f"try {advice}" in note


def test_a_pathway_that_was_strong_once_is_not_idle() -> None:
    strong = {"blocks.0.mlp.fc1.weight": {"audio": 0.5}}
    for before, after in ((strong, IDLE), (IDLE, strong)):
        assert not idle_pathways(before, after, scale_init=0.0, pretrained=False, frozen_body=False)
