"""A manifest sees change and loss."""

import json
import shutil
from pathlib import Path

import pytest

from crosspath.files import (
    check_manifest,
    remove_complete,
    sha256_of_file,
    write_json,
    write_manifest,
)
from tests.errors import refused


def test_a_manifest_sees_change_and_loss(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one")
    (tmp_path / "b").write_text("two")
    write_manifest(tmp_path, ["a", "b"])
    check_manifest(tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest == {
        "format_version": 1,
        "files": {"a": sha256_of_file(tmp_path / "a"), "b": sha256_of_file(tmp_path / "b")},
    }
    (tmp_path / "b").write_text("six")
    with refused("b", "bytes"):
        check_manifest(tmp_path)
    (tmp_path / "b").unlink()
    with refused("b"):
        check_manifest(tmp_path)
    write_json(tmp_path / "manifest.json", {"format_version": 99, "files": {}})
    with refused("manifest.json", "format_version", "1", "99"):
        check_manifest(tmp_path)


def test_a_manifest_without_a_list_of_files_is_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "manifest.json", {"format_version": 1, "files": [1]})
    with refused("manifest.json", "sha256"):
        check_manifest(tmp_path)


def test_a_complete_folder_is_incomplete_from_the_first_file_on_that_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        (tmp_path / "whole" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "whole" / name).write_text(name)
    write_manifest(tmp_path / "whole", ["a", "b"])

    def killed(folder: Path) -> None:
        (folder / "a").unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            remove_complete(tmp_path / "whole")
    assert [path.name for path in (tmp_path / "whole").iterdir()] == ["b"]
    remove_complete(tmp_path / "whole")
    assert not (tmp_path / "whole").exists()
