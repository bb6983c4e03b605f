"""Safetensors and configurations of repositories on the Hugging Face hub, in its local cache."""

from contextlib import suppress
from pathlib import Path

from crosspath.errors import InputError
from crosspath.files import read_json
from crosspath.pathway.sources.description import CONFIG_OF


def download_weights(repository: str, where: str) -> Path:
    """The local copy of a repository's weights: one file, or the index of several, which then lie beside it.

    `where` is the option and value that named it, such as `--auxiliary hf:OWNER/NAME`.

    Raises
    ------
    InputError
        For a repository that does not exist, holds no safetensors or cannot be reached.
    """
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    expected, offline = "safetensors from the hub", ("no connection and no local copy", "connect once")
    try:
        file, is_offline = _first_form(repository)
        if file is not None:
            for part in _parts(file):
                download(repository, part, is_offline)
            return file
    except HFValidationError:
        raise InputError(where, "OWNER/NAME of a hub repository", repr(repository), "correct it") from None
    except LocalEntryNotFoundError:
        raise InputError(where, expected, *offline) from None
    except EntryNotFoundError:
        raise InputError(where, "all files that its index lists", "not all", "choose another") from None
    except (HfHubHTTPError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(where, expected, reason, "check the name and the connection") from None
    if is_offline:
        raise InputError(where, expected, *offline)
    found, todo = "a repository without them", "choose one that holds safetensors"
    raise InputError(where, " or ".join(CONFIG_OF), found, todo)


def download_config(repository: str, name: str = "config.json") -> None:
    """Fetch a configuration, such as the one of heads and norms, beside the weights. Not all repositories have it."""
    from huggingface_hub.errors import EntryNotFoundError

    with suppress(EntryNotFoundError):
        download(repository, name)


def download(repository: str, name: str, is_offline: bool = False) -> Path:
    """The local copy of one file, fetched unless the hub has been found out of reach."""
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(repository, name, local_files_only=is_offline))


def _first_form(repository: str) -> tuple[Path | None, bool]:
    """The first form of weights that a repository has, and whether the hub is out of reach: then one that was fetched
    before.
    """
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    is_offline = False
    for name in CONFIG_OF:
        try:
            return download(repository, name, is_offline), is_offline
        except LocalEntryNotFoundError:
            is_offline = True
        except EntryNotFoundError:
            continue
    return None, is_offline


def _parts(file: Path) -> list[str]:
    """The files that an index lists beside it; none for weights in one file. `open_file` checks the index itself."""
    if not file.name.endswith(".index.json"):
        return []
    weights = read_json(file).get("weight_map")
    names = set(weights.values()) if isinstance(weights, dict) else set()
    return sorted(name for name in names if isinstance(name, str) and Path(name).name == name)
