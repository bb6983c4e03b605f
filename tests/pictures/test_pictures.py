"""Pictures by their pixels: colours lie where the arrays say."""

import numpy as np
import pytest

from crosspath.data.annotations import NOT_LABELLED
from crosspath.pictures.boxes import with_boxes
from crosspath.pictures.canvas import GAP, LINE, TEXT, compose, enlarge, short
from crosspath.pictures.clouds import VIEWS, cloud_view
from crosspath.pictures.confusion import confusion_counts, confusion_matrix
from crosspath.pictures.masks import SHARE, largest_classes, overlay
from crosspath.pictures.palette import class_colours, ink_on
from crosspath.pictures.scatter import SIDE, nice_ticks, padded, scatter

RED, GREEN = (200, 0, 0), (0, 200, 0)
TWO = np.array([RED, GREEN], np.uint8)


def places_of(picture: np.ndarray, colour: tuple[int, ...]) -> np.ndarray:
    return np.argwhere((picture == np.array(colour)).all(axis=-1))


def test_colours_differ_and_do_not_depend_on_the_count() -> None:
    many = class_colours(150).astype(int)
    distances = np.linalg.norm(many[:, None] - many[None], axis=2) + 1000 * np.eye(150)
    assert distances.min() >= 24
    assert distances[:16, :16].min() >= 60
    for count in (0, 1, 10, 11, 50):
        assert np.array_equal(class_colours(count), many[:count])
    assert class_colours(400).shape == (400, 3)


def test_ink_reads_on_its_ground() -> None:
    assert ink_on(np.array([255, 255, 0], np.uint8)) < (50, 50, 50)
    assert ink_on(np.array([0, 0, 90], np.uint8)) == (255, 255, 255)


def test_an_overlay_mixes_inside_marks_borders_and_leaves_what_is_not_labelled() -> None:
    image = np.full((6, 6, 3), 100, np.uint8)
    classes = np.zeros((6, 6), np.uint8)
    classes[:, 3:] = 1
    classes[5] = NOT_LABELLED
    result = overlay(image, classes, TWO)
    red, green = (np.rint(100 + SHARE * (np.array(colour) - 100)) for colour in (RED, GREEN))
    assert (result[0, 0] == red).all()
    assert (result[0, 4] == green).all()
    assert (result[:5, 2] == RED).all()  # the border lies on the left region
    assert (result[5] == 100).all()
    assert (image == 100).all()


def test_a_legend_names_the_largest_classes_and_nothing_unlabelled() -> None:
    mask = np.array([[3, 3, 3, 1, 1, 7, NOT_LABELLED, NOT_LABELLED, NOT_LABELLED, NOT_LABELLED]])
    assert largest_classes(mask, mask, classes=10, most=2) == [1, 3]
    assert largest_classes(np.full((2, 2), NOT_LABELLED), classes=10, most=3) == []


def test_near_points_hide_far_ones_and_a_quarter_turn_changes_the_view() -> None:
    frame = np.array([[-1, -1, -1], [1, 1, 1]], float)
    pair = np.array([[0.0, -0.5, 0.0], [0.0, 0.5, 0.0]])  # Seen along y, at turn 0, the first is nearer.
    along = cloud_view(pair, TWO, 0.0, frame=frame)
    across = cloud_view(pair, TWO, 90.0, frame=frame)
    red, green = (along[..., 0] > along[..., 1], along[..., 1] > along[..., 0])
    assert red.any()
    assert (np.argwhere(red).mean(axis=0) > np.argwhere(green).mean(axis=0)).argmax() == 0  # lower in the picture
    assert (
        abs(
            np.argwhere(across[..., 0] > across[..., 1])[:, 1].mean()
            - np.argwhere(across[..., 1] > across[..., 0])[:, 1].mean()
        )
        > 20
    )
    assert abs(np.argwhere(red)[:, 1].mean() - np.argwhere(green)[:, 1].mean()) < 1
    # Elevated by 20 degrees, a point far behind and exactly in line is hidden whole.
    line = np.array([[0.0, -np.cos(np.radians(20)), np.sin(np.radians(20))]]) * np.array([[0.8], [-0.8]])
    hidden = cloud_view(line, TWO, 0.0, frame=frame)
    assert len(places_of(hidden, (255, 255, 255))) + (hidden[..., 0] > hidden[..., 1]).sum() == hidden[..., 0].size


@pytest.mark.parametrize("up", [0, 1, 2])
def test_the_upright_axis_is_upright(up: int) -> None:
    points = np.zeros((2, 3))
    points[1, up] = 1.0
    for turn in VIEWS.values():
        picture = cloud_view(points, TWO, turn, up=up)
        low, high = (np.argwhere(picture[..., a] > picture[..., 1 - a]) for a in (0, 1))
        assert high[:, 0].mean() < low[:, 0].mean() - 50
        assert abs(high[:, 1].mean() - low[:, 1].mean()) < 1


def test_a_cloud_of_nothing_and_points_that_are_none() -> None:
    assert (cloud_view(np.zeros((0, 3)), TWO[:0], 0.0) == 255).all()
    with_gap = np.array([[0.0, 0, 0], [np.nan, 0, 0], [1.0, 1, 1]])
    colours = np.array([RED, GREEN, RED], np.uint8)
    picture = cloud_view(with_gap, colours, 20.0)
    assert not (picture[..., 1] > picture[..., 0]).any()
    assert np.array_equal(picture, cloud_view(with_gap[[0, 2]], colours[[0, 2]], 20.0))


def test_a_box_has_its_edges_on_its_pixels() -> None:
    image = np.full((100, 100, 3), 50, np.uint8)
    picture = with_boxes(image, np.array([[20.0, 40.0, 60.0, 90.0]]), [0], ["cat"], TWO, [0.5], least=100)
    places = places_of(picture[40:], RED)  # below the field with the name
    assert places.min(axis=0).tolist() == [0, 20]
    assert places.max(axis=0).tolist() == [49, 59]
    assert (picture[44:86, 24:56] == 50).all()
    assert len(places_of(picture[24:40, :], RED)) > 100  # the field
    larger = with_boxes(image, np.array([[20.0, 40.0, 60.0, 90.0]]), [0], ["cat"], TWO, [0.5], least=300)
    assert larger.shape == (300, 300, 3)
    assert places_of(larger[120:], RED).max(axis=0).tolist() == [149, 179]


def test_the_best_box_lies_on_top_and_names_stay_inside() -> None:
    image = np.full((64, 64, 3), 50, np.uint8)
    corners = np.array([[0.0, 0.0, 64.0, 64.0], [0.0, 0.0, 64.0, 64.0]])
    picture = with_boxes(image, corners, [0, 1], ["first of all", "second"], TWO, [0.9, 0.1], least=64)
    assert picture.shape == (64, 64, 3)
    assert len(places_of(picture[-1:], RED)) == 64
    assert not len(places_of(picture[-1:], GREEN))
    assert np.array_equal(with_boxes(image, np.zeros((0, 4)), [], [], TWO, least=64), image)


def test_perfect_predictions_lie_on_the_diagonal() -> None:
    values = np.linspace(-3, 3, 20)
    perfect, high = (np.asarray(scatter(values, values + shift, "y")).astype(int) for shift in (0.0, 2.0))

    def heights(picture: np.ndarray) -> np.ndarray:
        blue = places_of(picture, tuple(class_colours(1)[0].tolist()))
        return blue[:, 0] + blue[:, 1]

    assert np.ptp(heights(perfect)) <= 9  # row + column is constant on it, to the size of a point
    assert heights(high).mean() < heights(perfect).mean() - SIDE / 8  # too high is above it


def test_a_scatter_without_finite_values_is_empty() -> None:
    picture = np.asarray(scatter(np.array([np.nan, 1.0]), np.array([1.0, np.inf]), "y"))
    assert not len(places_of(picture, tuple(class_colours(1)[0].tolist())))


@pytest.mark.parametrize(("low", "high"), [(-3.0, 7.0), (0.001, 0.0042), (5e5, 5.2e5), (2.0, 2.0), (0.0, 0.0)])
def test_ticks_lie_in_the_range(low: float, high: float) -> None:
    wide = padded(low, high)
    ticks = nice_ticks(*wide)
    assert 3 <= len(ticks) <= 7
    assert wide[0] <= ticks[0] + 1e-9
    assert ticks[-1] <= wide[1] + 1e-9


def test_a_confusion_counts_rows_as_truth() -> None:
    counts = confusion_counts(np.array([0, 0, 1, 1, 1]), np.array([0, 1, 1, 1, 1]), 3)
    assert counts.tolist() == [[1, 1, 0], [0, 3, 0], [0, 0, 0]]


def test_a_cell_has_the_share_of_its_row() -> None:
    counts = np.array([[0, 4], [2, 2]])
    blue = class_colours(1)[0].astype(float)
    picture = np.asarray(confusion_matrix(counts, ["a", "b"]))
    full, half = places_of(picture, tuple(blue.astype(int))), places_of(picture, tuple(np.rint((255 + blue) / 2)))
    # The upper right cell holds the whole first row; both lower cells half the second.
    assert full[:, 0].max() < half[:, 0].min()
    assert full[:, 1].min() > np.median(half[:, 1]) - 2
    assert half[:, 1].min() < full[:, 1].min() - 20
    for classes in (1, 25, 60, 700):  # named, and without names
        assert confusion_matrix(np.eye(classes, dtype=int), [f"class {n}" for n in range(classes)]).width < 1600


def test_panels_stand_where_they_should() -> None:
    first, second = np.full((30, 150, 3), RED, np.uint8), np.full((20, 150, 3), GREEN, np.uint8)
    picture = np.asarray(compose([[("a", first), ("b", second)]], legend=[("one", (1, 2, 3))], caption="x"))
    assert (picture[GAP + LINE : GAP + LINE + 30, GAP : GAP + 150] == RED).all()
    assert (picture[GAP + LINE : GAP + LINE + 20, 2 * GAP + 150 : 2 * GAP + 300] == GREEN).all()
    assert len(places_of(picture, (1, 2, 3))) >= (TEXT - 4) ** 2
    long = compose([[("a", first)]], legend=[(f"class number {n}", (1, 2, n)) for n in range(30)])
    assert long.width == 150 + 2 * GAP  # a long legend breaks into lines
    assert all(len(places_of(np.asarray(long), (1, 2, n))) for n in range(30))


def test_small_pictures_grow_by_whole_pixels_and_names_stay_on_a_line() -> None:
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert enlarge(image, 5).shape == (6, 6, 3)
    assert (enlarge(image, 5)[:3, :3] == image[0, 0]).all()
    assert enlarge(image, 2) is not None
    assert short("a\nb\x1b[2J" + 50 * "c") == short("a b [2J" + 50 * "c")
    assert len(short(50 * "c")) == 28
