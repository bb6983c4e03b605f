"""Publishers' archives to the folders that readers read, compared with the real folders and with what went in."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from crosspath.catalogue import arrange as module
from crosspath.catalogue.arrange import arrange
from crosspath.config.data import AudioData, ImageData, PointData, TextData, VideoData
from crosspath.data.items import Listing
from crosspath.errors import InputError
from crosspath.files import sha256_of_file
from crosspath.modalities.load import reader_of
from tests.data.files import write_clip, write_sound
from tests.errors import refused


def arranged(name: str, unpacked: Path, root: Path, folder: str) -> Path:
    """The set's folder below `root`, as readers look for it."""
    (root / folder).mkdir(parents=True)
    reports: list[tuple[int, int | None]] = []
    arrange(name, unpacked, root / folder, lambda done, total: reports.append((done, total)))
    assert all(done <= total for done, total in reports if total is not None)
    return root


def parts(listing: Listing) -> list[tuple[str, str, str | None]]:
    return [(item.id, listing.classes[item.label], item.part) for item in listing.items if isinstance(item.label, int)]


@pytest.fixture
def cifar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, np.ndarray, np.ndarray]:
    """The binary version with 20 pictures a file: its folder, labels (6, 20), pixels (6, 20, 3, 32, 32)."""
    monkeypatch.setattr(module, "CIFAR_RECORDS", 20)
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 10, (6, 20), np.uint8)
    labels[:, :10] = np.arange(10)  # every class in every file
    pixels = rng.integers(0, 256, (6, 20, 3, 32, 32), np.uint8)
    root = tmp_path / "unpacked" / "cifar-10-batches-bin"
    root.mkdir(parents=True)
    (root / "batches.meta.txt").write_text("\n".join("abcdefghij") + "\n\n")
    for number, name in enumerate([*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin"]):
        records = np.concatenate([labels[number][:, None], pixels[number].reshape(20, -1)], 1)
        (root / name).write_bytes(records.tobytes())
    return root, labels, pixels


def test_cifar10_keeps_every_pixel_label_and_part(cifar: tuple[Path, np.ndarray, np.ndarray], tmp_path: Path) -> None:
    _, labels, pixels = cifar
    root = arranged("cifar10", tmp_path / "unpacked", tmp_path / "data", "cifar10")
    reader = reader_of(ImageData(dataset="cifar10", image_size=32))
    listing = reader.listing(root)
    assert listing.classes == tuple("abcdefghij")
    with reader.open_decoder() as decode:
        actual = [(item.part, item.label, decode(item).tobytes()) for item in listing.items]
    expected = [
        ("test" if file == 5 else "train", int(labels[file, row]), pixels[file, row].tobytes())
        for file in range(6)
        for row in range(20)
    ]
    assert sorted(actual) == sorted(expected)
    # Numbers inside a class follow the published order.
    firsts = [item.inside for item in listing.items if item.label == 0 and item.part == "train"]
    assert firsts[0] == "train/a/0000.png"


def test_cifar10_is_the_same_bytes_every_time(cifar: tuple[Path, np.ndarray, np.ndarray], tmp_path: Path) -> None:
    first, second = (
        arranged("cifar10", tmp_path / "unpacked", tmp_path / name, "cifar10") / "cifar10" for name in ("a", "b")
    )
    assert (first / "train.zip").read_bytes() == (second / "train.zip").read_bytes()


@pytest.mark.parametrize("fault", ["short", "label", "absent"])
def test_cifar10_in_another_form_is_refused(
    cifar: tuple[Path, np.ndarray, np.ndarray], tmp_path: Path, fault: str
) -> None:
    path = cifar[0] / "data_batch_2.bin"
    content = bytearray(path.read_bytes())
    content[0] = 11
    path.write_bytes(content if fault == "label" else content[:-1])
    if fault == "absent":
        path.unlink()
    with pytest.raises(InputError, match=r"data_batch_2\.bin") as caught:
        arranged("cifar10", tmp_path / "unpacked", tmp_path / "data", "cifar10")
    assert "download it again" in caught.value.todo


def esc_archive(folder: Path) -> Path:
    """ESC-50's archive in small: two folds more than reading needs, one class of ESC-10 and one beside it."""
    root = folder / "ESC-50-33c8ce9"
    for name in ("meta", "audio", "tests"):
        (root / name).mkdir(parents=True)
    (root / "LICENSE").write_text("names")
    (root / "README.md").write_text("read me")
    rows = ["filename,fold,target,category,esc10,src_file,take"]
    for fold in range(1, 6):
        for target, category, small in ((0, "dog", True), (7, "pig", False), (12, "fire", True)):
            name = f"{fold}-{target}-A-{target}.wav"
            rows.append(f"{name},{fold},{target},{category},{small},{target},A")
            write_sound(root / "audio" / name, seed=fold, seconds=0.1)
    (root / "meta" / "esc50.csv").write_text("\n".join(rows) + "\n")
    return folder


def test_esc50_takes_tables_recordings_and_licence(tmp_path: Path) -> None:
    root = arranged("esc50", esc_archive(tmp_path / "unpacked"), tmp_path / "data", "esc50")
    assert sorted(path.name for path in (root / "esc50").iterdir()) == ["LICENSE", "audio", "meta"]
    listing = reader_of(AudioData(dataset="esc50")).listing(root)
    assert listing.classes == ("dog", "pig", "fire")
    assert len(listing.items) == 15


def test_esc10_takes_only_what_the_table_marks(tmp_path: Path) -> None:
    root = arranged("esc10", esc_archive(tmp_path / "unpacked"), tmp_path / "data", "esc10")
    listing = reader_of(AudioData(dataset="esc10")).listing(root)
    assert listing.classes == ("dog", "fire")
    assert sorted(path.name for path in (root / "esc10" / "audio").iterdir()) == sorted(i.id for i in listing.items)
    assert len(listing.items) == 10
    assert (root / "esc10" / "LICENSE").is_file()


def test_esc10_s_table_is_the_published_one_but_for_the_suffix(data_root: Path, tmp_path: Path) -> None:
    table = (data_root / "esc10" / "meta" / "esc50.csv").read_text()
    root = tmp_path / "unpacked" / "ESC-50-x"
    for name in ("meta", "audio"):
        (root / name).mkdir(parents=True)
    (root / "LICENSE").touch()
    other = "1-1-A-7.wav,1,7,pig,False,1,A\n"
    (root / "meta" / "esc50.csv").write_text(table.replace(".ogg", ".wav") + other)
    for path in (data_root / "esc10" / "audio").iterdir():
        (root / "audio" / path.with_suffix(".wav").name).touch()
    done = arranged("esc10", tmp_path / "unpacked", tmp_path / "data", "esc10")
    assert (done / "esc10" / "meta" / "esc50.csv").read_text() == table.replace(".ogg", ".wav")


def test_fsdd_s_table_is_that_of_the_real_folder(data_root: Path, tmp_path: Path) -> None:
    recordings = tmp_path / "unpacked" / "free-spoken-digit-dataset-26eb" / "recordings"
    recordings.mkdir(parents=True)
    for path in (data_root / "fsdd" / "recordings").iterdir():
        (recordings / path.name).touch()
    root = arranged("fsdd", tmp_path / "unpacked", tmp_path / "data", "fsdd")
    made = (root / "fsdd" / "metadata.csv").read_text().splitlines()
    real = (data_root / "fsdd" / "metadata.csv").read_text().splitlines()
    assert made[0] == real[0]
    assert sorted(made) == sorted(real)


def test_fsdd_with_a_strange_name_is_refused(tmp_path: Path) -> None:
    recordings = tmp_path / "unpacked" / "fsdd-main" / "recordings"
    recordings.mkdir(parents=True)
    (recordings / "ten_george_0.wav").touch()
    with refused("ten_george_0.wav"):
        arranged("fsdd", tmp_path / "unpacked", tmp_path / "data", "fsdd")


BOX = """OFF
8 12 0
0 0 0\n{x} 0 0\n{x} 1 0\n0 1 0\n0 0 1\n{x} 0 1\n{x} 1 1\n0 1 1
3 0 2 1\n3 0 3 2\n3 4 5 6\n3 4 6 7\n3 0 1 5\n3 0 5 4\n3 1 2 6\n3 1 6 5\n3 2 3 7\n3 2 7 6\n3 3 0 4\n3 3 4 7
"""


def test_modelnet10_s_meshes_become_points_on_their_surface(tmp_path: Path) -> None:
    for name, x in (("bed", 1), ("sofa", 4)):
        for part, count in (("train", 3), ("test", 2)):
            folder = tmp_path / "unpacked" / "ModelNet10" / name / part
            folder.mkdir(parents=True)
            for number in range(count):
                (folder / f"{name}_{number}.off").write_text(BOX.format(x=x + number))
    (tmp_path / "unpacked" / "__MACOSX").mkdir()
    (tmp_path / "unpacked" / "ModelNet10" / "README.txt").touch()
    root = arranged("modelnet10", tmp_path / "unpacked", tmp_path / "data", "modelnet10")
    reader = reader_of(PointData(dataset="modelnet10", points=1024))
    listing = reader.listing(root)
    assert listing.classes == ("bed", "sofa")
    assert [(item.label, item.part) for item in listing.items] == [(0, "train")] * 3 + [(1, "train")] * 3 + [
        (0, "test")
    ] * 2 + [(1, "test")] * 2
    with reader.open_decoder() as decode:
        cloud = decode(listing.items[3])  # a box of 4 x 1 x 1
    np.testing.assert_allclose(np.linalg.norm(cloud, axis=1).max(), 1, rtol=1e-5)
    extent = cloud.max(0) - cloud.min(0)
    np.testing.assert_allclose(extent[0] / extent[1:], 4, rtol=0.05)
    faces = np.isclose(np.abs(cloud - (cloud.max(0) + cloud.min(0)) / 2), extent / 2, atol=0.02)
    assert faces.any(1).all()


def test_a_damaged_mesh_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "unpacked" / "ModelNet10" / "bed" / "train"
    folder.mkdir(parents=True)
    (folder / "bed_0001.off").write_text("OFF\n8 12 0\n0 0")
    with refused("bed_0001.off", "mesh"):
        arranged("modelnet10", tmp_path / "unpacked", tmp_path / "data", "modelnet10")


def test_speech_commands_stay_as_they_are(tmp_path: Path) -> None:
    unpacked = tmp_path / "unpacked"
    for word in ("no", "yes", "_background_noise_"):
        (unpacked / word).mkdir(parents=True)
        for number in range(3):
            write_sound(unpacked / word / f"{number}.wav", seconds=0.05)
    (unpacked / "validation_list.txt").write_text("no/0.wav\nyes/0.wav\n")
    (unpacked / "testing_list.txt").write_text("no/1.wav\nyes/1.wav\n")
    root = arranged("speechcommands", unpacked, tmp_path / "data", "speechcommands")
    listed = parts(reader_of(AudioData(dataset="speechcommands")).listing(root))
    assert listed == [(f"{w}/{n}.wav", w, p) for w in ("no", "yes") for n, p in enumerate(("val", "test", "train"))]


def test_ucf101_gets_its_lists_from_the_first_official_split(tmp_path: Path) -> None:
    unpacked = tmp_path / "unpacked"
    (unpacked / "ucfTrainTestlist").mkdir(parents=True)
    for name in ("Archery", "Biking"):
        (unpacked / "UCF-101" / name).mkdir(parents=True)
        for clip in ("g01", "g08"):
            write_clip(unpacked / "UCF-101" / name / f"v_{clip}.avi", [10, 200], codec="mpeg4")
    lists = unpacked / "ucfTrainTestlist"
    (lists / "classInd.txt").write_text("1 Archery\r\n2 Biking\r\n\r\n")
    (lists / "trainlist01.txt").write_text("Archery/v_g08.avi 1\r\nBiking/v_g08.avi 2\r\n")
    (lists / "testlist01.txt").write_text("Archery/v_g01.avi\r\nBiking/v_g01.avi\r\n")
    root = arranged("ucf101", unpacked, tmp_path / "data", "ucf101")
    assert (root / "ucf101" / "train.csv").read_text() == "videos/Archery/v_g08.avi 0\nvideos/Biking/v_g08.avi 1\n"
    assert parts(reader_of(VideoData(dataset="ucf101")).listing(root)) == [
        ("videos/Archery/v_g08.avi", "Archery", "train"),
        ("videos/Biking/v_g08.avi", "Biking", "train"),
        ("videos/Archery/v_g01.avi", "Archery", "test"),
        ("videos/Biking/v_g01.avi", "Biking", "test"),
    ]


def test_an_archive_s_own_folder_becomes_the_set_s(tmp_path: Path) -> None:
    inside = tmp_path / "unpacked" / "modelnet40_normal_resampled" / "bed"
    inside.mkdir(parents=True)
    (inside / "bed_0001.txt").touch()
    (tmp_path / "unpacked" / "__MACOSX").mkdir()
    root = arranged("modelnet40", tmp_path / "unpacked", tmp_path / "data", "m")
    assert [path.relative_to(root).as_posix() for path in root.rglob("*.txt")] == ["m/bed/bed_0001.txt"]


def test_an_archive_of_several_folders_is_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "unpacked" / name).mkdir(parents=True)
    with refused("the archive", "2", "folder"):
        arranged("modelnet40", tmp_path / "unpacked", tmp_path / "data", "m")


def test_zips_of_pictures_are_stored_not_packed_again(
    cifar: tuple[Path, np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    root = arranged("cifar10", tmp_path / "unpacked", tmp_path / "data", "cifar10")
    with zipfile.ZipFile(root / "cifar10" / "test.zip") as archive:
        assert {member.compress_type for member in archive.infolist()} == {zipfile.ZIP_STORED}


def test_banking77_takes_its_two_tables_if_they_are_those_of_its_authors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "unpacked" / "task-specific-datasets-master" / "banking_data"
    folder.mkdir(parents=True)
    for name in ("train.csv", "test.csv"):
        (folder / name).write_text('text,category\n"Where is it,\nmy card?",card_arrival\n')
    with refused("train.csv", "sha256"):
        arrange("banking77", tmp_path / "unpacked", tmp_path, lambda done, total: None)
    digest = sha256_of_file(folder / "train.csv")
    monkeypatch.setattr(module, "BANKING_SHA256", {"train.csv": digest, "test.csv": digest})
    root = arranged("banking77", tmp_path / "unpacked", tmp_path / "data", "banking77")
    listing = reader_of(TextData(dataset="banking77")).listing(root)
    assert parts(listing) == [("train.csv/2", "card_arrival", "train"), ("test.csv/2", "card_arrival", "test")]


def test_the_real_banking77_is_that_of_its_authors(data_root: Path) -> None:
    for name, sha256 in module.BANKING_SHA256.items():
        assert sha256_of_file(data_root / "banking77" / name) == sha256
