"""Meshes as points: drawn evenly from the surface, or the vertices of a file without faces.

OFF and OBJ are read here: trimesh 5.2 takes the faces that are there for those that the header states, reads OBJ's
negative numbers from the end of the file, and opens the materials and textures that an OBJ names. PLY and STL are
trimesh's, and what it read is compared with what the file states.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosspath.counts import quantity
from crosspath.data.items import DamageError
from crosspath.data.text_files import number_in

SAMPLING_SEED = 0
"""Of the points drawn from a mesh or from a larger cloud: the same on every machine."""
OFF_HEADER = re.compile(r"\s*(?:ST)?C?N?OFF(?![A-Za-z])", re.ASCII)
"""Texture, colours and normals stand behind x y z; `4OFF` and `nOFF` have other coordinates."""
Vertices = NDArray[Any]
Faces = list[list[int]]


def read_mesh(path: Path, count: int) -> NDArray[np.float64]:
    """`count` points (P, 3) of the surface, or the vertices (V, 3) of a file without faces. Raises `DamageError`."""
    import trimesh

    try:
        vertices, triangles = LOADERS[path.suffix.lower()](path)
        if not len(vertices):
            raise DamageError("it has no vertices, or none that can be read")
        if not len(triangles):
            return np.asarray(vertices, np.float64)
        if triangles.min() < 0 or triangles.max() >= len(vertices):
            raise DamageError(f"a face names a vertex beyond the {len(vertices)} that it has")
        mesh = trimesh.Trimesh(vertices, triangles, process=False)
        if not mesh.area > 0:  # also NaN
            raise DamageError("its faces have no area, or coordinates that are not finite")
        points, _ = trimesh.sample.sample_surface(mesh, count, seed=SAMPLING_SEED)
    except (DamageError, OSError, MemoryError):
        raise
    except Exception as error:  # trimesh's loaders raise many types on damaged files
        raise DamageError(f"the mesh cannot be read ({error})".replace("\n", " ")) from None
    return np.asarray(points)


def _off(path: Path) -> tuple[Vertices, NDArray[Any]]:
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    lines = [line for line in (line.partition("#")[0].strip() for line in text.splitlines()) if line]
    header = OFF_HEADER.match(lines[0]) if lines else None
    if header is None:
        raise DamageError("it does not begin with OFF, COFF, NOFF or STOFF")
    rest = lines[0][header.end() :].strip()  # ModelNet has headers such as `OFF8 12 0`
    lines = [rest, *lines[1:]] if rest else lines[1:]
    if not lines:
        raise DamageError("its header states no numbers of vertices and faces")
    vertex_count, face_count = (int(number) for number in lines[0].split()[:2])
    if len(lines) - 1 != vertex_count + face_count:
        found = f"{len(lines) - 1} rows follow"
        raise DamageError(f"its header states {vertex_count} vertices and {face_count} faces, {found}")
    values = [line.split() for line in lines[1 : vertex_count + 1]]
    if len({len(row) for row in values}) > 1:
        raise DamageError("its vertices have unequal numbers of values")
    vertices = np.array([[number_in(value) for value in row[:3]] for row in values]).reshape(vertex_count, 3)
    faces = []
    for line in lines[vertex_count + 1 :]:
        corners, *row = line.split()
        if not 0 < int(corners) <= len(row):
            raise DamageError(f"a face states {corners} corners and has {len(row)}: {line[:40]!r}")
        faces.append([int(number) for number in row[: int(corners)]])
    return vertices, _triangles(faces)


def _obj(path: Path) -> tuple[Vertices, NDArray[Any]]:
    text = path.read_text(encoding="utf-8-sig", errors="replace").replace("\\\n", " ").replace("\\\r\n", " ")
    vertices: list[list[float]] = []
    faces: Faces = []
    for number, line in enumerate(text.splitlines(), 1):
        key, *values = line.partition("#")[0].split() or [""]
        if key == "v":
            if len(values) < 3:
                raise DamageError(f"line {number}: a vertex has {quantity(len(values), 'value')}")
            vertices.append([number_in(value) for value in values[:3]])
        elif key == "f":
            corners = [int(value.partition("/")[0]) for value in values]
            if len(corners) < 3:
                raise DamageError(f"line {number}: a face has {quantity(len(corners), 'corner')}")
            # From 1; negative numbers count back from the vertices so far.
            places = [corner - 1 if corner > 0 else len(vertices) + corner for corner in corners]
            if min(places) < 0 or 0 in corners:
                raise DamageError(f"line {number}: a face names a vertex that is not there")
            faces.append(places)
        elif key in ("curv", "surf"):
            raise DamageError(f"line {number}: curves and surfaces are not read; convert it to faces")
    return np.array(vertices).reshape(-1, 3), _triangles(faces)


def _ply(path: Path) -> tuple[Vertices, NDArray[Any]]:
    vertices, triangles, _ = _ply_elements(path)
    return vertices, triangles


def _ply_elements(path: Path) -> tuple[Vertices, NDArray[Any], dict[str, Any]]:
    """Vertices, triangles, and everything else that the file holds, as trimesh keeps it."""
    import trimesh

    with path.open("rb") as file:
        shape: Any = trimesh.load(file, file_type="ply", process=False, skip_materials=True)
    if isinstance(shape, trimesh.Scene):
        shape = shape.to_geometry()
    elements = shape.metadata.get("_ply_raw", {})
    if "face" not in elements and any("list" in kind.lower() for name in elements for kind in _kinds(elements, name)):
        raise DamageError("its faces are in strips, which are not read; convert it to triangles")
    for name, element in elements.items():
        data = element.get("data")
        for column in data.values() if isinstance(data, dict) else [] if data is None else [data]:
            if len(column) != element["length"]:
                raise DamageError(f"its header states {element['length']} of {name}, it has {len(column)}")
        if isinstance(data, np.ndarray) and data.dtype.names is not None:
            _require_equal_lists(data, name)
    _require_rows(path, elements)
    triangles = np.asarray(getattr(shape, "faces", ()))
    if "face" in elements and elements["face"]["length"] and not len(triangles):
        raise DamageError("its faces cannot be read")
    if triangles.size and triangles.shape[1] != 3:
        raise DamageError(f"its faces have {triangles.shape[1]} corners; convert it to triangles")
    return np.asarray(getattr(shape, "vertices", ())).reshape(-1, 3), triangles, elements


def ply_columns(path: Path) -> tuple[NDArray[np.float64], list[str]]:
    """All numbers of the vertices of a PLY (V, C), and their names in lower case. Raises `DamageError`."""
    try:
        vertices, _, elements = _ply_elements(path)
        data = elements.get("vertex", {}).get("data")
        names = list(data) if isinstance(data, dict) else list(getattr(data, "dtype", np.dtype("f8")).names or ())
        columns = {name.lower(): np.asarray(data[name]) for name in names}
        # Of text each is a column (V, 1).
        numbers = {
            name: values.reshape(-1)
            for name, values in columns.items()
            if values.dtype.kind in "fiu" and values.size == len(vertices)
        }
    except (DamageError, OSError, MemoryError):
        raise
    except Exception as error:  # as above
        raise DamageError(f"the points cannot be read ({error})".replace("\n", " ")) from None
    if not numbers or not len(vertices):
        raise DamageError("it has no vertices, or none that can be read")
    return np.column_stack([values.astype(np.float64) for values in numbers.values()]), list(numbers)


def _kinds(elements: Any, name: str) -> Sequence[str]:
    return list(elements[name]["properties"].values())


def _require_equal_lists(data: NDArray[Any], name: str) -> None:
    """trimesh takes the length of the first list for that of all."""
    for field in data.dtype.names or ():
        names = data[field].dtype.names
        if names is not None and not (data[field][names[0]] == data[field][names[0]][0]).all():
            raise DamageError(f"its lists of {name} have unequal lengths; convert it to triangles")


def _require_rows(path: Path, elements: Any) -> None:
    head, _, body = path.read_bytes().partition(b"end_header")
    if re.search(rb"^format\s+ascii", head, re.MULTILINE) is None:
        return  # the size of binary data is compared by trimesh
    rows = [line for line in body.splitlines() if line.strip()]
    count = sum(element["length"] for element in elements.values())
    if len(rows) != count:
        raise DamageError(f"its header states {count} rows, it has {len(rows)}")


def _stl(path: Path) -> tuple[Vertices, NDArray[Any]]:
    import trimesh

    with path.open("rb") as file:
        shape: Any = trimesh.load(file, file_type="stl", process=False)
    if isinstance(shape, trimesh.Scene):
        shape = shape.to_geometry()
    vertices, triangles = np.asarray(shape.vertices), np.asarray(shape.faces)
    content = path.read_bytes()
    if len(content) != 84 + 50 * len(triangles):  # not the binary form
        words = [line.split()[0] for line in content.lower().splitlines() if line.strip()]
        solids = words.count(b"solid"), words.count(b"endsolid")
        if solids[0] != solids[1] or not words.count(b"facet") == words.count(b"endfacet") == len(triangles):
            raise DamageError(f"it is cut off: {len(triangles)} of {words.count(b'facet')} facets are complete")
    return vertices, triangles


def _triangles(faces: Faces) -> NDArray[Any]:
    """Faces (F, 3) of polygons; those with fewer than three corners have no surface."""
    import trimesh

    polygons = [face for face in faces if len(face) > 2]
    triangles: NDArray[Any] = trimesh.geometry.triangulate_quads(polygons).reshape(-1, 3)
    if len(triangles) != sum(len(face) - 2 for face in polygons):
        raise DamageError("its faces cannot be divided into triangles")
    return triangles


LOADERS: dict[str, Callable[[Path], tuple[Vertices, NDArray[Any]]]] = {
    ".off": _off,
    ".obj": _obj,
    ".ply": _ply,
    ".stl": _stl,
}
"""(vertices (V, 3), triangles (F, 3)) of a file, by suffix."""
SUFFIXES = tuple(LOADERS)
