"""Safetensors and configurations of repositories on the Hugging Face hub, in its local cache."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from crosspath.errors import InputError
from crosspath.files import SAFETENSORS, read_json
from crosspath.pathway.sources.description import CONFIG_OF

EXPECTED = "safetensors from the hub"
OFFLINE = ("no connection and no local copy", "connect once")


def download_weights(repository: str, where: str, files: Iterable[str] = tuple(CONFIG_OF)) -> Path:
    """The local copy of the first of some files that a repository has; with an index of weights in several files, these
    lie beside it.

    `where` is the option and value that named the repository, such as `--auxiliary hf:OWNER/NAME`.

    Raises
    ------
    InputError
        For a repository that does not exist, is gated, holds no safetensors or cannot be reached.
    """
    from huggingface_hub.errors import EntryNotFoundError

    with _hub_errors(where):
        file, is_offline = _find_weights(repository, files)
        if file is not None:
            try:
                for part in _parts(file):
                    _download(repository, part, is_offline)
            except EntryNotFoundError as error:
                if isinstance(error, OSError):  # out of reach, rather than missing
                    raise
                raise InputError(where, "all files that its index lists", "not all", "choose another") from None
            return file
    if is_offline:
        raise InputError(where, EXPECTED, *OFFLINE)
    todo = "choose one that holds safetensors"
    raise InputError(where, " or ".join(files), "a repository without", todo)


def download_configs(repository: str, where: str, names: Iterable[str]) -> None:
    """Fetch configurations, such as those of heads and norms, beside the weights. Not all repositories have them.

    Raises
    ------
    InputError
        See `download_weights`.
    """
    from huggingface_hub.errors import EntryNotFoundError

    with _hub_errors(where):
        for name in names:
            with suppress(EntryNotFoundError):
                _download(repository, name, is_offline=False)


def _find_weights(repository: str, files: Iterable[str]) -> tuple[Path | None, bool]:
    """The first of the files that the repository has, and whether the hub could not be reached; in that case the first
    in the local cache.
    """
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    is_offline = False
    for name in files:
        try:
            return _download(repository, name, is_offline), is_offline
        except LocalEntryNotFoundError:
            is_offline = True
        except EntryNotFoundError:
            continue
    return None, is_offline


def _download(repository: str, name: str, is_offline: bool) -> Path:
    """The local copy of one file, fetched unless the hub has been found out of reach."""
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(repository, name, local_files_only=is_offline))


def _parts(file: Path) -> list[str]:
    """The safetensors that an index lists beside it; none for weights in one file. `open_file` checks the index."""
    if not file.name.endswith(".index.json"):
        return []
    weights = read_json(file).get("weight_map")
    names = [name for name in weights.values() if isinstance(name, str)] if isinstance(weights, dict) else []
    return sorted({name for name in names if Path(name).name == name and Path(name).suffix == SAFETENSORS})


@contextmanager
def _hub_errors(where: str) -> Iterator[None]:
    """Raise what the hub and the connection to it lead to as an `InputError`, in one line."""
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    # Of some versions, errors of the connection are those of the library below, the base of the hub's own.
    connection: Any = HfHubHTTPError.__mro__[1]
    try:
        yield
    except HFValidationError:
        raise InputError(where, "OWNER/NAME of a hub repository", "another form", "correct it") from None
    except LocalEntryNotFoundError:
        raise InputError(where, EXPECTED, *OFFLINE) from None
    except GatedRepoError:
        todo = "accept its terms on the hub and log in with `hf auth login`"
        raise InputError(where, EXPECTED, "a gated repository", todo) from None
    except (HfHubHTTPError, OSError, connection) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(where, EXPECTED, reason, "check the name and the connection") from None
