"""Generated shapes: a box is the smallest around its pixels, and a picture follows from its number."""

import numpy as np

from crosspath.data.boxes import CLASS
from crosspath.data.generated.shapes import SHAPES, synthetic_shapes


def test_boxes_enclose_their_shapes() -> None:
    pictures, rows = synthetic_shapes(60, 48, 1)
    assert pictures.shape == (60, 3, 48, 48)
    boxes = [(picture, row) for picture, own in zip(pictures, rows, strict=True) for row in own if row[CLASS] >= 0]
    assert {row[CLASS] for _, row in boxes} == {0, 1, 2}
    assert len(boxes) > 60
    shares = {0: np.pi / 4, 1: 1.0, 2: 0.5}
    for picture, (left, top, right, bottom, kind, *_) in boxes:
        x0, y0, x1, y1 = map(int, (left, top, right, bottom))
        ground = np.median(picture.reshape(3, -1), axis=1)
        inside = (np.abs(picture[:, y0:y1, x0:x1] - ground[:, None, None]).mean(axis=0) > 35).mean()
        assert abs(inside - shares[int(kind)]) < 0.2, SHAPES[int(kind)]
    assert any(np.isnan(own[0][CLASS]) for own in rows)


def test_a_larger_set_holds_the_smaller_one() -> None:
    few, many = synthetic_shapes(5, 48, 1), synthetic_shapes(9, 48, 1)
    assert np.array_equal(few[0], many[0][:5])
    assert str(few[1]) == str(many[1][:5])
