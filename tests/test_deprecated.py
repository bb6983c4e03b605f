"""Older names of keywords: accepted, with a warning that names the new one."""

import pytest

from crosspath.deprecated import older_keywords


@older_keywords(data_root="data")
def read(path: str, *, data: str | None = None) -> tuple[str, str | None]:
    return path, data


def test_an_older_name_serves_and_warns() -> None:
    with pytest.warns(DeprecationWarning, match=r"read\(data_root=...\) is now data="):
        assert read("file", data_root="folder") == ("file", "folder")  # type: ignore[call-arg]
    assert read("file", data="folder") == ("file", "folder")


def test_both_names_are_refused() -> None:
    with pytest.raises(TypeError, match="data_root"):
        read("file", data="one", data_root="two")  # type: ignore[call-arg]


def test_the_functions_of_runs_accept_theirs() -> None:
    import inspect

    import crosspath

    for name in ("train", "pretrain", "train_folds", "compare"):
        names = inspect.signature(getattr(crosspath, name)).parameters
        assert {"data", "start_from", "settings"} <= names.keys(), name
        assert not {"data_root", "from_checkpoint"} & names.keys()
    for name in ("run_study", "evaluate", "merge_checkpoint", "verify"):
        assert "data" in inspect.signature(getattr(crosspath, name)).parameters, name
