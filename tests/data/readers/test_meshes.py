"""OFF, OBJ, PLY and STL: what a file states is what it has to hold."""

from pathlib import Path

import numpy as np
import pytest
import trimesh

from crosspath.data.items import DamageError
from crosspath.data.readers.meshes import read_mesh
from tests.data.files import cut_in_half

SQUARE = "0 0 0\n4 0 0\n4 2 0\n0 2 0\n"
"""4 by 2, in the plane z = 0."""
V = "v 0 0 0\nv 4 0 0\nv 4 2 0\nv 0 2 0\n"


def points_of(tmp_path: Path, suffix: str, content: str | bytes, count: int = 400) -> np.ndarray:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_mesh(path, count)


def assert_square(points: np.ndarray) -> None:
    """The points cover the square, and nothing else."""
    assert np.ptp(points[:, 2]) == 0
    np.testing.assert_allclose(points.min(axis=0), 0, atol=0.2)
    np.testing.assert_allclose(points.max(axis=0), (4, 2, 0), atol=0.2)
    halves = (points[:, 0] / 4 > points[:, 1] / 2).mean()  # of the two triangles
    assert 0.4 < halves < 0.6


@pytest.mark.parametrize(
    "text",
    [
        f"OFF\n4 2 0\n{SQUARE}3 0 1 2\n3 0 2 3\n",
        f"OFF4 2 0\n{SQUARE}3 0 1 2\n3 0 2 3\n",
        f"\ufeffOFF 4 1 4\n\n{SQUARE}# the only face\n4 0 1 2 3 255 0 0\n",
        f"COFF\n4 1\n{SQUARE.replace(chr(10), ' 9 9 9 255' + chr(10))}4 0 1 2 3\n",
        f"NOFF\r\n4 1 0\r\n{SQUARE.replace(chr(10), ' 0 0 1' + chr(10))}4 0 1 2 3",
        f"OFF\n5 1 0\n{SQUARE}2 2 0\n5 0 1 2 4 3\n",
        f"OFF\n4 3 0\n{SQUARE}3 0 1 2\n2 0 3\n3 0 2 3\n",
    ],
)
def test_off(tmp_path: Path, text: str) -> None:
    assert_square(points_of(tmp_path, ".off", text))


@pytest.mark.parametrize(
    "text",
    [
        f"OFF\n4 12 0\n{SQUARE}3 0 1 2\n3 0 2 3\n",  # promises more faces
        f"OFF\n4 1 0\n{SQUARE}3 0 1 2\n3 0 2 3\n",  # or fewer
        f"OFF\n5 1 0\n{SQUARE}3 0 1 2\n3 0 2 3\n",  # a face stands where a vertex should
        f"OFF\n3 3 0\n{SQUARE}3 0 1 2\n3 0 2 1\n",  # a vertex where a face should
        f"OFF\n4 2 0\n{SQUARE}3 0 1 2\n3 0 2\n",  # cut inside a face
        f"OFF\n4 1 0\n{SQUARE}3 0 1 4\n",
        f"OFF\n4 1 0\n{SQUARE}3 0 1 -1\n",
        f"OFF\n4 1 0\n{SQUARE}3 0 0 0\n",  # no area
        f"4OFF\n4 1 0\n{SQUARE.replace(chr(10), ' 1' + chr(10))}3 0 1 2\n",
        f"OFFSET\n4 1 0\n{SQUARE}3 0 1 2\n",
        "OFF BINARY\n4 1 0\n",
        "OFF\n",
        f"4 1 0\n{SQUARE}3 0 1 2\n",
    ],
)
def test_an_off_that_holds_something_else_than_it_states_is_damaged(tmp_path: Path, text: str) -> None:
    with pytest.raises(DamageError):
        points_of(tmp_path, ".off", text)


@pytest.mark.parametrize(("suffix", "faces"), [(".off", "3 0 1 2\n"), (".obj", "f 1 2 3\n")])
def test_digits_with_underscores_are_no_number(tmp_path: Path, suffix: str, faces: str) -> None:
    text = f"{V}{faces}" if suffix == ".obj" else f"OFF\n4 1 0\n{SQUARE}{faces}"
    assert len(points_of(tmp_path, suffix, text))
    with pytest.raises(DamageError, match="4_0"):
        points_of(tmp_path, suffix, text.replace("4 0", "4_0 0"))


@pytest.mark.parametrize(
    "text",
    [
        V + "f 1 2 3\nf 1 3 4\n",
        V + "vt 0 0\nvn 0 0 1\nf 1/1/1 2/1/1 3/1/1\nf 1//1 3//1 4//1\n",
        V + "f 1 2 \\\n3 4\n",
        V + "v 9 9 9\nv 9 9 9\nf -6 -5 -4 -3\n",
        V + "f -4 -3 -2 -1\n" + "v 9 9 9\n" * 5,  # counted from the vertices so far
        "v 0 0 0 1 0 0\nv\t4 0 0\nv 4 2 0 1.0\n# f 1 1 1\no a\nf 1 2 3 4\ng b\nv 0 2 0\n",
        "mtllib a.mtl\n" + V + "usemtl one\nf 1 2 3\nusemtl two\nf 1 3 4\n",
    ],
)
def test_obj(tmp_path: Path, text: str) -> None:
    assert_square(points_of(tmp_path, ".obj", text))


@pytest.mark.parametrize(
    "text",
    [
        V + "f 1 2 5\n",
        V + "f 0 1 2\n",
        V + "f -5 -1 -2\n",
        V + "f 1 2\n",
        V + "v 1 2\nf 1 2 3\n",
        V + "v 1,5 2 0\nf 1 2 3\n",
        V + "f 1 2 3\nf 1 2 a\n",
        V + "surf 0 1 0 1 1 2 3 4\n",
        V + "f 1 1 1\n",
        "v 0 0 nan\nv 1 0 0\nv 0 1 0\nf 1 2 3\n",
    ],
)
def test_an_obj_whose_faces_name_no_vertices_is_damaged(tmp_path: Path, text: str) -> None:
    with pytest.raises(DamageError):
        points_of(tmp_path, ".obj", text)


def test_no_other_file_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.mtl").write_text("newmtl one\nmap_Kd skin.png\n")
    ply = ply_of("ascii").replace(b"element vertex", b"comment TextureFile skin.png\nelement vertex")
    opened = []
    real = Path.open
    monkeypatch.setattr(
        Path, "open", lambda self, *rest, **named: (opened.append(self.name), real(self, *rest, **named))[1]
    )
    points_of(tmp_path, ".obj", "mtllib a.mtl\nusemtl one\n" + V + "f 1 2 3\n")
    points_of(tmp_path, ".ply", ply)
    assert set(opened) == {"a.obj", "a.ply"}


def ply_of(form: str, faces: str = "uchar int vertex_indices", stated: tuple[int, int] = (4, 2)) -> bytes:
    """The square as two triangles, with a flag on each vertex; `form` is ascii or the byte order."""
    order = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}[form]
    count, index, name = faces.split()
    head = (
        f"ply\nformat {form} 1.0\nelement vertex {stated[0]}\nproperty float x\nproperty float y\nproperty float z\n"
        f"property uchar flag\nelement face {stated[1]}\nproperty list {count} {index} {name}\nend_header\n"
    ).encode()
    corners = ((0, 1, 2), (0, 2, 3))
    vertices = np.array(SQUARE.split(), float).reshape(4, 3)
    if form == "ascii":
        rows = [" ".join(map(str, row)) + " 7" for row in vertices] + [
            "3 " + " ".join(map(str, row)) for row in corners
        ]
        return head + "\n".join(rows).encode() + b"\n"
    kinds = {"uchar": "u1", "int": "i4", "uint": "u4", "ushort": "u2"}
    vertex = np.dtype([("xyz", f"{order}f4", 3), ("flag", "u1")])
    face = np.dtype([("count", order + kinds[count]), ("index", order + kinds[index], 3)])
    body = np.array([(row, 7) for row in vertices], vertex).tobytes()
    return head + body + np.array([(3, row) for row in corners], face).tobytes()


FORMS = ("ascii", "binary_little_endian", "binary_big_endian")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("faces", ["uchar int vertex_indices", "uchar uint vertex_index", "int ushort vertex_indices"])
def test_ply(tmp_path: Path, form: str, faces: str) -> None:
    assert_square(points_of(tmp_path, ".ply", ply_of(form, faces)))


def test_lists_of_unequal_length(tmp_path: Path) -> None:
    mixed = ply_of("ascii").replace(b"vertex 4", b"vertex 5").replace(b"3 0 1 2\n", b"8 1 0 7\n4 0 1 4 1\n")
    assert_square(points_of(tmp_path, ".ply", mixed.replace(b"4 0 1 4 1", b"4 0 1 1 2")))
    for form in FORMS[1:]:
        content = bytearray(ply_of(form))
        content[-26], content[-13] = 2, 4
        with pytest.raises(DamageError):
            points_of(tmp_path, ".ply", bytes(content))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("stated", [(5, 2), (3, 2), (4, 12), (4, 1)])
def test_a_ply_that_holds_something_else_than_it_states_is_damaged(
    tmp_path: Path, form: str, stated: tuple[int, int]
) -> None:
    with pytest.raises(DamageError):
        points_of(tmp_path, ".ply", ply_of(form, stated=stated))


@pytest.mark.parametrize("form", FORMS)
def test_a_cut_ply_and_one_whose_faces_name_no_vertices_are_damaged(tmp_path: Path, form: str) -> None:
    whole = ply_of(form)
    with pytest.raises(DamageError):
        points_of(tmp_path, ".ply", whole[:-8])
    beyond = whole.replace(b"3 0 2 3", b"3 0 2 4")
    if form != "ascii":
        content = bytearray(whole)
        content[-1 if "big" in form else -4] = 4
        beyond = bytes(content)
    with pytest.raises(DamageError):
        points_of(tmp_path, ".ply", beyond)


def test_strips_are_refused_and_vertices_without_faces_read(tmp_path: Path) -> None:
    strips = ply_of("ascii").replace(b"element face 2", b"element tristrips 2")
    with pytest.raises(DamageError, match="strips"):
        points_of(tmp_path, ".ply", strips)
    alone = ply_of("ascii", stated=(4, 0)).replace(b"3 0 1 2\n3 0 2 3\n", b"")
    np.testing.assert_array_equal(points_of(tmp_path, ".ply", alone), np.array(SQUARE.split(), float).reshape(4, 3))


@pytest.mark.parametrize("form", ["stl", "stl_ascii"])
def test_stl(tmp_path: Path, form: str) -> None:
    square = trimesh.Trimesh(np.array(SQUARE.split(), float).reshape(4, 3), [[0, 1, 2], [0, 2, 3]], process=False)
    content = square.export(file_type=form)
    assert_square(points_of(tmp_path, ".stl", content))
    cut_in_half(tmp_path / "a.stl", 0.7)
    with pytest.raises(DamageError):
        read_mesh(tmp_path / "a.stl", 9)
    if form == "stl_ascii":  # a second solid that is cut off
        with pytest.raises(DamageError, match="cut off"):
            points_of(tmp_path, ".stl", content + content[: len(content) // 2])
        assert_square(points_of(tmp_path, ".stl", content + content))
