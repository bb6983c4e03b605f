"""Archives: what is in them comes out, and nothing lands outside the folder."""

import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from crosspath.catalogue.unpack import unpack
from crosspath.errors import InputError
from tests.errors import refused

FILES = {"set/a.txt": b"one", "set/deep/b.txt": b"two" * 1000}


def zip_of(path: Path, members: dict[str, bytes], mode: int = 0) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            member = zipfile.ZipInfo(name)
            member.external_attr = mode << 16
            archive.writestr(member, content)
    return path


def tar_of(path: Path, members: dict[str, bytes], kind: bytes = tarfile.REGTYPE, mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content) if kind == tarfile.REGTYPE else 0
            member.type = kind
            member.linkname = "target"
            archive.addfile(member, io.BytesIO(content))
    return path


def read(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_tar_comes_out_as_it_went_in(tmp_path: Path, mode: str) -> None:
    unpack(tar_of(tmp_path / "a.tar.gz", FILES, mode=mode), tmp_path / "out")
    assert read(tmp_path / "out") == FILES


@pytest.mark.parametrize("mode", [0, stat.S_IFREG | 0o644])
def test_a_zip_comes_out_as_it_went_in(tmp_path: Path, mode: int) -> None:
    unpack(zip_of(tmp_path / "a.zip", FILES, mode), tmp_path / "out")
    assert read(tmp_path / "out") == FILES


OUTSIDE = ["../evil.txt", "/evil.txt", "set/../../evil.txt", "..\\evil.txt", "C:\\evil.txt"]


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_member_outside_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    for archive in (zip_of(tmp_path / "a.zip", {name: b"x"}), tar_of(tmp_path / "a.tar", {name: b"x"})):
        with refused("", "points"):
            unpack(archive, tmp_path / "in" / "out")
    assert [path.name for path in sorted(tmp_path.rglob("*"))] == ["a.tar", "a.zip", "in", "out"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path, kind: bytes) -> None:
    with refused("a.tar", "set/link"):
        unpack(tar_of(tmp_path / "a.tar", {"set/link": b""}, kind), tmp_path / "out")
    assert read(tmp_path / "out") == {}


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    with refused("a.zip", "link"):
        unpack(zip_of(tmp_path / "a.zip", {"set/link": b"/etc"}, stat.S_IFLNK | 0o777), tmp_path / "out")


@pytest.mark.parametrize("share", [0.3, 0.95])
@pytest.mark.parametrize("suffix", ["zip", "tar.gz"])
def test_a_damaged_archive_is_named(tmp_path: Path, suffix: str, share: float) -> None:
    content = {"set/a.bin": bytes(range(256)) * 400}
    archive = (zip_of if suffix == "zip" else tar_of)(tmp_path / f"a.{suffix}", content)
    archive.write_bytes(archive.read_bytes()[: int(archive.stat().st_size * share)])
    with pytest.raises(InputError, match=rf"a\.{suffix}: expected a complete archive, found a damaged one") as caught:
        unpack(archive, tmp_path / "out")
    assert "\n" not in str(caught.value)


def test_a_flipped_bit_in_a_zip_is_damage(tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "a.zip", {"a.txt": b"content" * 99})
    content = bytearray(archive.read_bytes())
    content[40] ^= 0xFF
    archive.write_bytes(content)
    with refused("a.zip", "damaged"):
        unpack(archive, tmp_path / "out")


def test_what_is_no_archive_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").write_text("<html>not found</html>")
    with refused("a.tar.gz", "archive"):
        unpack(tmp_path / "a.tar.gz", tmp_path / "out")


def test_a_zip_larger_than_the_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil
    from types import SimpleNamespace

    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=100))
    with refused("out", "3,003", "100"):
        unpack(zip_of(tmp_path / "a.zip", FILES), tmp_path / "out")
    assert read(tmp_path / "out") == {}


def fake_tool(folder: Path, script: str) -> None:
    """A program called unrar that runs this shell script; $4 is the archive, $5 where to."""
    folder.mkdir()
    (folder / "unrar").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "unrar").chmod(0o755)


def test_a_rar_is_left_to_a_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a b.rar").write_bytes(b"rar")
    fake_tool(tmp_path / "bin", '/bin/cp "$4" "$5/out.txt"')
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    unpack(tmp_path / "a b.rar", tmp_path / "out")
    assert read(tmp_path / "out") == {"out.txt": b"rar"}


def test_a_rar_that_the_program_refuses_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.rar").write_bytes(b"rar")
    fake_tool(tmp_path / "bin", "echo bad >&2; echo 'checksum error' >&2; exit 3")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with refused("a.rar", "archive", "checksum"):
        unpack(tmp_path / "a.rar", tmp_path / "out")


def test_a_rar_without_a_program_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.rar").write_bytes(b"rar")
    monkeypatch.setenv("PATH", str(tmp_path))
    with refused("a.rar", "found none", "7z"):
        unpack(tmp_path / "a.rar", tmp_path / "out")
