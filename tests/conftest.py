"""What every test may ask for, the real data's folder, and what every session of tests begins with."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder that holds one folder per real data set; the test skips where there is none."""
    named = os.environ.get("CROSSPATH_DATA")
    root = Path(named) if named else REPOSITORY.parent / "shared" / "data"
    if not root.is_dir():
        pytest.skip(f"no real data: set CROSSPATH_DATA (looked in {root.name}/ beside the repository)")
    return root


@pytest.fixture(autouse=True, scope="session")
def own_cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Decoded samples, and what is noted of own files, go to folders of this test session, never to the user's."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("CROSSPATH_CACHE", "CROSSPATH_STATE"):
            patch.setenv(name, str(tmp_path_factory.mktemp(name.lower())))
        yield


@pytest.fixture(autouse=True, scope="session")
def backward_first() -> None:
    """A backward pass before any test, so that processes forked by tests may compute gradients too.

    `torch.export` and `torch.compile` pretend that there is a GPU; a process whose first backward pass comes after that
    starts a thread for it, and from then on torch refuses backward passes in its forks.
    """
    torch.ones((), requires_grad=True).backward()
