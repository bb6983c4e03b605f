"""The environment: what this process runs on, in plain data."""

import json
import platform

import torch

from crosspath.checkpoints.environment import environment


def test_versions_processor_and_threads_are_this_process_s() -> None:
    found = environment()
    assert found["versions"]["python"] == platform.python_version()
    assert found["versions"]["torch"] == str(torch.__version__)
    assert found["versions"]["timm"]
    assert found["processor"]
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(before + 1)
        assert environment() == {**found, "threads": before + 1}
    finally:
        torch.set_num_threads(before)
    assert json.loads(json.dumps(found)) == found
