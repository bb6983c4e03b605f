"""Published lists of clips and frame folders; which frames and crops are read of them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crosspath.config.augment import VideoAugment
from crosspath.config.data import VideoData
from crosspath.data.items import DamageError
from crosspath.data.readers.video import VideoReader
from crosspath.data.streaming.samples import training_batches
from crosspath.errors import InputError
from crosspath.modalities.load import load_data
from tests.data.published_video import number_of, write_kinetics, write_ssv2, write_video
from tests.errors import refused

DENSE = VideoData(dataset="k400", frames=8, image_size=24, sampling="dense", frame_step=4)
UNIFORM = VideoData(dataset="ssv2", frames=8, image_size=24, sampling="uniform")


def changed(section: VideoData, **fields: object) -> VideoData:
    return section.model_copy(update=fields)


def numbers_of(clip_3THW: np.ndarray) -> list[int]:
    """The numbers of a clip's frames."""
    return [number_of(frame.transpose(1, 2, 0)) for frame in clip_3THW.transpose(1, 0, 2, 3)]


def places_of(clip_3THW: np.ndarray) -> float:
    """Where on the long side a crop lies: 32 to 224 is the whole."""
    return float(clip_3THW[1].mean())


def test_without_a_test_list_val_is_the_test_part_and_validation_is_held_out(tmp_path: Path) -> None:
    folder = write_kinetics(tmp_path, train=10, val=3)
    data = load_data(DENSE, tmp_path, 0)
    assert data.classes == ("0", "1")
    assert set(data.test.ids) == {line.rsplit(" ", 1)[0] for line in (folder / "val.csv").read_text().splitlines()}
    assert [np.bincount(part.labels).tolist() for part in (data.train, data.validation, data.test)] == [
        [9, 9],
        [1, 1],
        [3, 3],
    ]
    assert all(f" {label}-" in name for name, label in zip(data.train.ids, data.train.labels, strict=True))


@pytest.mark.parametrize("name", ["k400", "ucf101", "hmdb51"])
def test_with_a_test_list_every_list_is_its_own_part(tmp_path: Path, name: str) -> None:
    write_kinetics(tmp_path, name, train=3, val=2, test=1)
    data = load_data(changed(DENSE, dataset=name), tmp_path, 0)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [6, 4, 2]
    assert data.validation.ids[0].startswith("videos/val")


@pytest.mark.parametrize("file", ["labels.txt", "label_map_k400.txt"])
def test_class_names_are_read_where_there_are_any(tmp_path: Path, file: str) -> None:
    (write_kinetics(tmp_path) / file).write_text("abseiling\nair drumming\n")
    assert load_data(changed(DENSE, classes=2), tmp_path, 0).classes == ("abseiling", "air drumming")


def test_a_part_of_a_set_still_has_all_its_classes(tmp_path: Path) -> None:
    write_kinetics(tmp_path)
    data = load_data(changed(DENSE, classes=400), tmp_path, 0)
    assert data.classes == tuple(map(str, range(400)))


def test_paths_may_be_absolute(tmp_path: Path) -> None:
    folder = write_kinetics(tmp_path / "root")
    (tmp_path / "clip 1.mp4").write_bytes((folder / "videos" / "val 0-0.mp4").read_bytes())
    (folder / "val.csv").write_text(f"{tmp_path}/clip 1.mp4 1\n")
    data = load_data(DENSE, tmp_path / "root", 0)
    assert data.test.ids == (f"{tmp_path}/clip 1.mp4",)
    assert data.test.labels.tolist() == [1]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("videos/none.mp4 0", "row 2: expected the name of a file, found none.mp4, which is missing"),
        ("videos/val 0-0.mp4", "row 2: expected `path label`, found 'videos/val 0-0.mp4'"),
        ("videos", "row 2: expected `path label`, found 'videos'"),
        ("videos/val 0-0.mp4 -1", "row 2: expected a label from 0 to 1, found -1"),
        ("videos/train 0-0.mp4 0", "row 2: expected every file once, found videos/train 0-0.mp4, also in"),
        ("./videos//train 0-0.mp4 0", "row 2: expected every file once, found ./videos//train 0-0.mp4, also in"),
    ],
)
def test_a_faulty_row_is_named(tmp_path: Path, row: str, expected: str) -> None:
    path = write_kinetics(tmp_path) / "val.csv"
    lines = path.read_text().splitlines()
    lines[1] = row
    path.write_text("\n".join(lines))
    with pytest.raises(InputError) as caught:
        load_data(DENSE, tmp_path, 0)
    assert str(caught.value).startswith(f"{path} {expected}")


def test_a_label_beyond_the_classes_names_its_row(tmp_path: Path) -> None:
    folder = write_kinetics(tmp_path, classes=3)
    with refused("train.csv row 3", "0", "1", "2", "label"):
        load_data(changed(DENSE, classes=2), tmp_path, 0)
    (folder / "labels.txt").write_text("a\nb\n")
    with refused("train.csv row 3", "0", "1", "2", "label"):
        load_data(DENSE, tmp_path, 0)


def test_missing_lists_and_folders_are_named(tmp_path: Path) -> None:
    with refused("k400", "train.csv", "val.csv"):
        load_data(DENSE, tmp_path, 0)
    (write_kinetics(tmp_path) / "val.csv").unlink()
    with refused("val.csv", "found none"):
        load_data(DENSE, tmp_path, 0)


def test_a_dense_held_out_clip_is_the_middle_window_of_the_middle_square(tmp_path: Path) -> None:
    write_kinetics(tmp_path, frames=44)
    data = load_data(DENSE, tmp_path, 0)
    clip = data.test.inputs[0]
    # The window of 32 frames begins at 6; int(6 + i · 32 / 7).
    assert numbers_of(clip) == [6, 10, 15, 19, 24, 28, 33, 37]
    assert places_of(clip) == pytest.approx(128, abs=1)


def test_the_short_side_is_resized_before_the_middle_is_cut(tmp_path: Path) -> None:
    write_kinetics(tmp_path, frames=10)
    narrow = load_data(changed(DENSE, resize=48), tmp_path, 0).test.inputs[0]
    wide = load_data(changed(DENSE, resize=24), tmp_path, 0).test.inputs[0]
    # Of 48 x 32 pixels, 72 x 48 after resizing: a third of the width, or 24 of 36.
    assert np.ptp(narrow[1, 0].mean(axis=0)) == pytest.approx(192 / 3, rel=0.1)
    assert np.ptp(wide[1, 0].mean(axis=0)) == pytest.approx(192 * 2 / 3, rel=0.1)


def test_a_short_clip_repeats_its_last_frame(tmp_path: Path) -> None:
    write_kinetics(tmp_path, frames=10)
    # Two frames for 10 // 4, evenly over [0, 10].
    assert numbers_of(load_data(DENSE, tmp_path, 0).test.inputs[0]) == [0] + [9] * 7


def test_frame_folders_give_the_middle_of_each_segment(tmp_path: Path) -> None:
    write_ssv2(tmp_path, frames=24)
    data = load_data(changed(UNIFORM, classes=2), tmp_path, 0)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [6, 2, 4]
    assert data.test.ids[0] == "frames/val00"
    assert numbers_of(data.test.inputs[0]) == list(range(1, 24, 3))
    assert places_of(data.test.inputs[0]) == pytest.approx(128, abs=2)


def test_frames_are_numbered_from_one(tmp_path: Path) -> None:
    write_ssv2(tmp_path, frames=8)
    assert numbers_of(load_data(UNIFORM, tmp_path, 0).test.inputs[0]) == list(range(8))


def test_a_missing_frame_is_damage_and_a_missing_folder_names_its_row(tmp_path: Path) -> None:
    folder = write_ssv2(tmp_path, frames=8)
    (folder / "frames" / "val10" / "img_00003.jpg").unlink()
    with refused("val10", "img_00003.jpg"):
        load_data(UNIFORM, tmp_path, 0)
    (folder / "frames" / "val10").rename(folder / "elsewhere")
    with refused("val.csv row 2", "val10"):
        load_data(UNIFORM, tmp_path, 0)


@pytest.mark.parametrize("row", ["frames/val00 8", "frames/val00 eight 0", "frames/val00 0 0", "frames/val00 -1 0"])
def test_a_faulty_row_of_a_frame_list_is_named(tmp_path: Path, row: str) -> None:
    path = write_ssv2(tmp_path) / "val.csv"
    path.write_text(f"{row}\n")
    with refused("val.csv row 1", "row"):
        load_data(UNIFORM, tmp_path, 0)


def test_half_a_frame_is_damage(tmp_path: Path) -> None:
    folder = write_ssv2(tmp_path, frames=8, train=1, val=1)
    path = folder / "frames" / "val00" / "img_00008.jpg"
    path.write_bytes(path.read_bytes()[:300])
    reader = VideoReader(UNIFORM)
    with reader.open_decoder() as decode, pytest.raises(DamageError) as caught:
        decode(next(item for item in reader.listing(tmp_path).items if item.id == "frames/val00"))
    assert "\n" not in str(caught.value)


def test_a_pretraining_list_needs_no_labels(tmp_path: Path) -> None:
    folder = write_kinetics(tmp_path, train=6, frames=40)
    rows = [line.rsplit(" ", 1)[0] for line in (folder / "train.csv").read_text().splitlines()]
    (folder / "pretrain.csv").write_text("".join(f"{row} 0 -1\n" for row in rows))
    data = load_data(changed(DENSE, csv="pretrain.csv", test_fraction=0.1), tmp_path, 0)
    assert data.classes == ("all",)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [10, 1, 1]
    assert {*data.train.ids, *data.validation.ids, *data.test.ids} == set(rows)


def test_a_pretraining_list_of_frames_names_the_first_and_how_many(tmp_path: Path) -> None:
    folder = write_ssv2(tmp_path, frames=24, train=3)
    # The same folder may be named with other frames.
    rows = [f"frames/train0{number} {start} 8" for number in range(3) for start in (1, 6, 17)]
    (folder / "pretrain.csv").write_text("\n".join(rows))
    reader = VideoReader(changed(UNIFORM, csv="pretrain.csv"))
    items = reader.listing(tmp_path).items
    with reader.open_decoder() as decode:
        for item, row in zip(items, rows, strict=True):
            first = int(row.split()[1]) - 1
            assert numbers_of(decode(item)) == list(range(first, first + 8))
    (folder / "pretrain.csv").write_text("frames/train00 0 8\n")
    with refused("pretrain.csv row 1", "8", "row"):
        reader.listing(tmp_path)


def views_of(section: VideoData, root: Path, segments: int, crops: int) -> np.ndarray:
    reader = VideoReader(section)
    item = next(item for item in reader.listing(root).items if item.part == "test")
    return reader.views(item, segments, crops)


def test_dense_views_are_clips_by_crops(tmp_path: Path) -> None:
    write_kinetics(tmp_path, frames=46)
    views = views_of(DENSE, tmp_path, 3, 2)
    assert views.shape == (6, 3, 8, 24, 24)
    assert views.dtype == np.uint8
    # Twelve frames, 0 to 44, of which each clip has eight.
    for view, start in zip(views, (0, 0, 8, 8, 16, 16), strict=True):
        assert numbers_of(view) == list(range(start, start + 32, 4))
    # 36 x 24 pixels: the crops begin at 0 and 12.
    left, right = places_of(views[0]), places_of(views[1])
    assert left == pytest.approx(32 + 192 / 3, abs=4)
    assert right == pytest.approx(224 - 192 / 3, abs=4)


def test_one_segment_and_one_crop_do_not_divide_by_zero(tmp_path: Path) -> None:
    write_kinetics(tmp_path, frames=46)
    write_ssv2(tmp_path, frames=24)
    [view] = views_of(DENSE, tmp_path, 1, 1)
    assert numbers_of(view) == list(range(8, 40, 4))
    assert places_of(view) == pytest.approx(128, abs=1)
    [view] = views_of(UNIFORM, tmp_path, 1, 1)
    data = load_data(UNIFORM, tmp_path, 0)
    np.testing.assert_array_equal(view, data.test.inputs[0])


def test_views_of_a_film_whose_frames_change_their_size(tmp_path: Path) -> None:
    folder = write_ssv2(tmp_path, frames=16)
    whole = views_of(UNIFORM, tmp_path, 2, 2)
    for number in range(9, 17):
        for path in folder.rglob(f"img_{number:05d}.jpg"):
            Image.open(path).transpose(Image.Transpose.ROTATE_90).save(path, quality=95)
    views = views_of(UNIFORM, tmp_path, 2, 2)
    assert views.shape == whole.shape
    np.testing.assert_array_equal(views[:, :, :4], whole[:, :, :4])
    turned = np.rot90(whole[:, :, 4:], axes=(3, 4)).astype(int)
    assert np.abs(np.sort(views[:, :, 4:].astype(int), axis=0) - np.sort(turned, axis=0)).mean() < 4


def test_sparse_views_interleave(tmp_path: Path) -> None:
    write_ssv2(tmp_path, frames=16)
    views = views_of(UNIFORM, tmp_path, 2, 1)
    assert [numbers_of(view) for view in views] == [list(range(0, 16, 2)), list(range(1, 16, 2))]


def test_crops_of_an_upright_video_lie_from_top_to_bottom(tmp_path: Path) -> None:
    write_kinetics(tmp_path, frames=8, width=32, height=48)
    top, middle, bottom = (places_of(view) for view in views_of(DENSE, tmp_path, 1, 3))
    assert top < middle - 20 < bottom - 40
    assert middle == pytest.approx(128, abs=1)


def test_crops_lie_in_the_middle_of_the_short_side_where_it_is_resized_larger(tmp_path: Path) -> None:
    write_kinetics(tmp_path, frames=8, width=32, height=48)
    section = changed(DENSE, resize=40)
    [view] = views_of(section, tmp_path, 1, 1)
    data = load_data(section, tmp_path, 0)
    np.testing.assert_array_equal(view[:, 0], data.test.inputs[0][:, 0])


def test_streamed_and_cached_held_out_clips_are_the_same(tmp_path: Path) -> None:
    write_kinetics(tmp_path, frames=40)
    write_ssv2(tmp_path, frames=20)
    for section in (DENSE, UNIFORM):
        cached = load_data(section, tmp_path, 0)
        streamed = load_data(changed(section, stream=True), tmp_path, 0)
        assert streamed.test.ids == cached.test.ids
        np.testing.assert_array_equal(streamed.test.inputs[[0, 2]], cached.test.inputs[[0, 2]])


def test_training_clips_of_a_range_stay_inside_it(tmp_path: Path) -> None:
    folder = write_ssv2(tmp_path, frames=24, train=1)
    (folder / "pretrain.csv").write_text("frames/train00 11 6\nframes/train10 5 3\nframes/val00 1 9\n")
    section = changed(UNIFORM, csv="pretrain.csv", frames=3, stream=True)
    reader = VideoReader(section)
    items = reader.listing(tmp_path).items
    results: dict[str, set[int]] = {item.id: set() for item in items}
    for epoch in range(20):
        with reader.training_views(VideoAugment(), 0, epoch) as view:
            for number, item in enumerate(items):
                results[item.id] |= set(numbers_of(view(item, number)[0]))
    assert list(results.values()) == [set(range(10, 16)), {4, 5, 6}, set(range(9))]


def test_a_training_epoch_of_a_published_set_is_streamed(tmp_path: Path) -> None:
    write_kinetics(tmp_path, frames=48)
    data = load_data(changed(DENSE, stream=True), tmp_path, 0)
    starts = set()
    for epoch in range(6):
        [results] = training_batches(data.train.inputs, VideoAugment(), [np.arange(4)], 0, epoch, 0)  # type: ignore[arg-type]
        assert results.inputs.shape == (4, 3, 8, 24, 24)
        for clip in results.inputs:
            starts.add(numbers_of(clip)[0])
    # 24 windows of 32 of 48 frames; 17 places.
    assert len(starts) > 8
    assert starts <= set(range(17))


def test_the_generated_frames_tell_their_number(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", 48)
    section = VideoData(frames=48, image_size=24)
    assert numbers_of(VideoReader(section).decode_file(tmp_path / "a.mp4")) == list(range(48))
