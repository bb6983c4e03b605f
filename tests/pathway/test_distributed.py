"""DDP and FSDP2 on two processes give the weights of one process on the whole batch; gathered, they merge."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import crosspath
from tests.pathway.distributed_worker import CASES, PROCESSES, WRAPPERS, connect_vit, file_of, train, vit
from tests.tolerances import assert_states_close

REPOSITORY = Path(__file__).resolve().parents[2]
SECONDS = 180
"""For both processes from start to end; some ten seconds on a free machine."""

pytestmark = pytest.mark.skipif(
    not torch.distributed.is_available() or not torch.distributed.is_gloo_available(),
    reason="this PyTorch is built without gloo",
)


@pytest.fixture(scope="module")
def worker_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The gathered states of all cases under all wrappers, trained on two processes in one start of torchrun."""
    folder = tmp_path_factory.mktemp("states")
    run_two_processes(folder)
    return folder


def run_two_processes(folder: Path) -> None:
    """Run the worker under torchrun, on the loopback interface only and with an end to all waiting."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(PROCESSES)]
    command += ["-m", "tests.pathway.distributed_worker", str(folder)]
    surroundings = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY), "GLOO_SOCKET_IFNAME": "lo"}
    # torchrun sets these for its own workers; those of a run around this one would mislead it.
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        surroundings.pop(name, None)
    process = subprocess.Popen(
        command, cwd=folder, env=surroundings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        output, _ = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        # Asked to terminate, torchrun ends its workers first.
        process.terminate()
        output, _ = process.communicate(timeout=60)
        pytest.fail(f"no end within {SECONDS} s\n{output[-4000:]}")
    if process.returncode != 0:
        pytest.fail(f"exit code {process.returncode}\n{output[-4000:]}")


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_two_processes_equal_one(wrapper: str, case: str, worker_folder: Path) -> None:
    alone = connect_vit(case)
    before = {name: value.clone() for name, value in alone.state_dict().items()}
    train(alone)
    expected = dict(sorted(alone.state_dict().items()))
    distances = {name: float((expected[name] - value).abs().max()) for name, value in before.items()}
    still = {name for name, distance in distances.items() if distance < 1e-3}
    # Far more than the tolerance, so that a part that did not train cannot pass.
    assert still == ({name for name in before if "auxiliaries" in name} if "frozen" in case else set())

    state = dict(sorted(load_file(file_of(worker_folder, wrapper, case)).items()))
    assert_states_close(state, expected, "float32 on two processes")

    # What was gathered goes into an equally connected model, and that merges.
    model = connect_vit(case, seed=1)
    model.load_state_dict(state)
    images_BCHW = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        output = model(images_BCHW)
        crosspath.merge(model)
        assert list(model.state_dict()) == list(vit(1).state_dict())
        assert torch.equal(model(images_BCHW), output)
