"""What a run must be given again to go on."""

from pathlib import Path

from crosspath.training.same_run import check_inputs
from tests.errors import refused


def test_a_run_that_began_with_a_start_does_not_go_on_without_it() -> None:
    inputs = {"data": None, "from": None, "auxiliaries": {}}
    begun = {**inputs, "start": {"origin": "attention", "sha256": "00"}}
    assert check_inputs(Path("inputs.json"), inputs, inputs) == ()
    assert check_inputs(Path("inputs.json"), begun, begun) == ()
    for before, now in ((begun, inputs), (inputs, begun)):
        with refused("inputs.json", "start"):
            check_inputs(Path("inputs.json"), before, now)
