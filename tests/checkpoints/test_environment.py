"""The environment: what this process runs on, in plain data."""

import json
import platform

import torch

from crosspath.checkpoints.environment import environment


def test_versions_processor_and_threads_are_this_process_s() -> None:
    values = environment()
    assert values["versions"]["python"] == platform.python_version()
    assert values["versions"]["torch"] == str(torch.__version__)
    assert values["versions"]["timm"]
    assert values["processor"]
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(before + 1)
        assert environment() == {**values, "threads": before + 1}
    finally:
        torch.set_num_threads(before)
    assert json.loads(json.dumps(values)) == values
