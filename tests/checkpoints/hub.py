"""A hub that is one local folder."""

from pathlib import Path

import pytest
from huggingface_hub.errors import EntryNotFoundError


class Hub:
    """Stands in for the hub and its cache: the files of one local folder, and the error for all others."""

    def __init__(self, folder: Path, error: Exception | None = None) -> None:
        self.folder, self.error = folder, error or EntryNotFoundError("404")
        self.asked: list[tuple[str, str]] = []
        self.local_files_only: list[bool] = []

    def __call__(self, repository: str, name: str, *, local_files_only: bool = False) -> str:
        self.asked.append((repository, name))
        self.local_files_only.append(local_files_only)
        if not (self.folder / name).is_file():
            raise self.error
        return str(self.folder / name)


def use(monkeypatch: pytest.MonkeyPatch, hub: Hub) -> Hub:
    monkeypatch.setattr("huggingface_hub.hf_hub_download", hub)
    return hub
