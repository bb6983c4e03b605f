"""Reads pickled tensors: with torch's restricted unpickler or, on demand, with a full one in a separate process."""

import pickle
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from crosspath.checkpoints.foreign.containers import Contents
from crosspath.counts import first_names
from crosspath.errors import InputError
from crosspath.files import read_safetensors, read_tensors, write_tensors


def read_weights(path: Path, contents: Contents, *, unsafe: bool = False) -> dict[str, Tensor]:
    """The tensors of a file, by dotted names.

    Parameters
    ----------
    unsafe
        Unpickle a file that needs more than weights in a separate process. Code in the file runs there, with the user's
        own rights.

    Raises
    ------
    InputError
        For a pickle that needs more than weights, without `unsafe`, and for a damaged one.
    """
    if contents.container == "safetensors":
        return read_safetensors(path)[0]
    if not contents.is_pickle:
        raise InputError(
            path, "safetensors or a pickle of weights", f"a {contents.container} without either", "unpack it"
        )
    beyond = contents.beyond_weights
    if beyond and unsafe:
        return _unpickle_in_process(path, contents.container)
    if beyond:
        names = first_names([*map(str, beyond)], 3)
        todo = "if you trust whoever made it, `crosspath convert --unsafe-pickle` runs it in a separate process"
        if contents.dangerous:
            todo = "it can run code with your rights: do not open it unless you know why it needs that"
        raise InputError(path, "weights alone", f"a pickle that looks up {names}", todo)
    try:
        value = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(path, "a pickle of weights", f"one that torch refuses ({reason})", "copy it again") from None
    return dict(flatten(value))


def flatten(value: Any, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """(dotted name, tensor) of everything inside nested dictionaries and lists."""
    if isinstance(value, nn.Module):
        value = value.state_dict()
    if isinstance(value, Tensor):
        yield name, value.detach()
        return
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    for key, inside in pairs:
        yield from flatten(inside, f"{name}.{key}" if name else str(key))


def _unpickle_in_process(path: Path, container: str) -> dict[str, Tensor]:
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "model.safetensors"
        command = [sys.executable, "-m", "crosspath.checkpoints.foreign.unpickle", container, str(path), str(output)]
        process = subprocess.run(command, capture_output=True, text=True, check=False)
        if process.returncode or not output.is_file():
            reason = (
                process.stderr.strip().splitlines()[-1] if process.stderr.strip() else f"exit code {process.returncode}"
            )
            raise InputError(path, "a pickle that loads", reason, "install what made it, or copy it again")
        return read_tensors(output)[0]


def _run(container: str, source: str, destination: str) -> None:
    """The separate process: unpickle everything, write the tensors. torch loads its own files, but no bare pickles."""
    if container == "pickle":
        with Path(source).open("rb") as file:
            value = pickle.load(file)
    else:
        value = torch.load(source, map_location="cpu", weights_only=False)
    write_tensors(Path(destination), {name: tensor.clone() for name, tensor in flatten(value)}, {})


if __name__ == "__main__":
    _run(*sys.argv[1:4])
