"""Imports only point downward, and never in a circle: every import of the package is read, and each line that breaks a
floor is named.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "crosspath"

FLOORS = {
    "errors": -3,
    "formats": -3,
    "starts": -2,
    "deprecated": -3,
    "limits": -2,
    "pickles": -2,
    "files": -1,
    "locks": 0,
    "own": 0,
    "escape": -3,
    "counts": -3,
    "metrics": -3,
    "layouts": 0,
    "config": 0,
    "pictures": 0,
    "tokenizers": 0,
    "pathway": 1,
    "data": 1,
    "recipes": 1,
    "modalities": 2,
    "models": 3,
    "objectives": 4,
    "catalogue": 4,
    "checkpoints": 5,
    "evaluation": 6,
    "integrations": 6,
    "training": 7,
    "study": 8,
    "cli": 9,
}
ALIASES = {"data/load.py"}
"""Old names of modules that moved to a higher floor; they warn, and nothing imports them."""
ROOMS = {
    "pathway": (
        *("finite", "records", "arguments", "engines", "sources", "derivation", "anatomy", "report"),
        *("canonical", "fitting", "pairing", "*"),
    ),
    "data": ("*", "generated", "views", "shards", "readers", "streaming"),
    "checkpoints": ("*", "foreign", "sharing", "merge", "hub", "verify"),
    "study": ("*", "decision", "reports", "ranking", "results", "study", "comparison", "demo", "race"),
}
"""Rooms inside a folder, and files that stand above some of them, lowest first; `*` are the folder's other files."""
METHOD_IMPORTS = {"torch", "safetensors", "crosspath"}
"""What `pathway/` may import beside the standard library; of crosspath only `METHOD_FOLDERS`."""
METHOD_FOLDERS = {"pathway", "layouts", "files", "pickles", "starts", "errors", "counts"}


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """(line, imported module) of a file, imports inside functions included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            assert node.module is not None
            yield node.lineno, node.module


def folder_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def sources() -> list[Path]:
    files = [path for path in sorted(PACKAGE.rglob("*.py")) if path.parent != PACKAGE or path.stem in FLOORS]
    return [path for path in files if path.relative_to(PACKAGE).as_posix() not in ALIASES]


def broken_floors(paths: list[Path]) -> Iterator[str]:
    for path in paths:
        here = folder_of(path)
        for line, module in imports(path):
            parts = module.split(".")
            if parts[0] != "crosspath" or len(parts) == 1:
                continue
            there = parts[1]
            allowed = there == here or FLOORS[there] < FLOORS[here]
            if not allowed:
                yield f"{path.relative_to(PACKAGE.parent)}:{line}: {here} imports {there}"


def broken_rooms(folder: str, paths: list[Path]) -> Iterator[str]:
    order = ROOMS[folder]

    def place_of(name: str) -> int:
        return order.index(name if name in order else "*")

    for path in paths:
        here = path.relative_to(PACKAGE / folder).parts[0].removesuffix(".py")
        if here == "__init__":  # it offers names of the whole folder
            continue
        for line, module in imports(path):
            parts = module.split(".")
            if parts[:2] == ["crosspath", folder] and len(parts) > 2 and place_of(parts[2]) > place_of(here):
                yield f"{path.relative_to(PACKAGE.parent)}:{line}: {folder}/{here} imports {folder}/{parts[2]}"


def import_circle(paths: Mapping[str, Path]) -> list[str]:
    """Some modules that import each other in a circle, imports inside functions included; empty where none do."""
    graph = {name: {other for other in modules_of(path, paths) if other != name} for name, path in paths.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as circle:
        names: list[str] = circle.args[1]
        return names
    return []


def modules_of(path: Path, paths: Mapping[str, Path]) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in paths)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                if name in paths or node.module in paths:
                    yield name if name in paths else str(node.module)


def modules() -> dict[str, Path]:
    files = {path: path.relative_to(PACKAGE.parent).with_suffix("").parts for path in PACKAGE.rglob("*.py")}
    return {".".join(parts).removesuffix(".__init__"): path for path, parts in files.items()}


def test_imports_point_downward() -> None:
    assert list(broken_floors(sources())) == []


@pytest.mark.parametrize("folder", ROOMS)
def test_rooms_of_a_folder_import_downward(folder: str) -> None:
    names = {path.stem for path in (PACKAGE / folder).iterdir()}
    assert set(ROOMS[folder]) - {"*"} <= names
    rooms = {path.name for path in (PACKAGE / folder).iterdir() if path.is_dir()} - {"__pycache__"}
    assert rooms <= set(ROOMS[folder])
    assert list(broken_rooms(folder, sorted((PACKAGE / folder).rglob("*.py")))) == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert import_circle(modules()) == []


def test_a_circle_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("from crosspath.b import f\n")
    (tmp_path / "b.py").write_text("def f():\n    import crosspath.a\n")
    paths = {"crosspath.a": tmp_path / "a.py", "crosspath.b": tmp_path / "b.py"}
    assert set(import_circle(paths)) == set(paths)
    (tmp_path / "b.py").write_text("")
    assert import_circle(paths) == []


def test_a_room_that_imports_a_higher_one_is_named() -> None:
    line = "from crosspath.data.readers.image import ImageReader\n"
    bad = pretended(line, PACKAGE / "data" / "views" / "bad.py")
    assert list(broken_rooms("data", [bad])) == ["crosspath/data/views/bad.py:1: data/views imports data/readers"]
    bad = pretended(line, PACKAGE / "data" / "bad.py")
    assert list(broken_rooms("data", [bad])) == ["crosspath/data/bad.py:1: data/bad imports data/readers"]


def test_every_folder_has_a_floor() -> None:
    folders = {folder_of(path) for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE}
    assert folders <= set(FLOORS)


def test_the_method_imports_torch_and_safetensors_only() -> None:
    for path in (PACKAGE / "pathway").rglob("*.py"):
        for line, module in imports(path):
            top = module.split(".")[0]
            assert top in METHOD_IMPORTS or top in sys.stdlib_module_names, f"{path}:{line}: {module}"
            if top == "crosspath":
                assert module.split(".")[1] in METHOD_FOLDERS, f"{path}:{line}: {module}"


def test_a_broken_floor_is_named() -> None:
    bad = pretended("from crosspath.cli import main\n", PACKAGE / "layouts" / "bad.py")
    assert list(broken_floors([bad])) == ["crosspath/layouts/bad.py:1: layouts imports cli"]


def pretended(text: str, path: Path) -> Path:
    """A file of that text that is not there."""

    class Pretended(type(path)):  # type: ignore[misc]
        def read_text(self, encoding: str | None = None, errors: str | None = None) -> str:
            return text

    return Pretended(path)


def test_importing_the_package_loads_no_torch() -> None:
    code = "import sys, crosspath; dir(crosspath); sys.exit('torch' in sys.modules or 'pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_public_names_resolve_and_the_stub_lists_them() -> None:
    import crosspath

    stub = (PACKAGE / "__init__.pyi").read_text(encoding="utf-8")
    for name in crosspath.__all__:
        assert getattr(crosspath, name) is not None
        assert f" as {name}\n" in stub
    assert stub.count(" as ") == len(crosspath.__all__)


def test_no_folder_of_leftovers() -> None:
    names = {path.stem for path in PACKAGE.rglob("*")}
    assert not names & {"utils", "util", "misc", "common", "helpers"}


SECTION_BASES = {"DataSection", "FilesTable", "AugmentSection", "TokenizerSection"}
SECTION_CLASSES = {
    node.name
    for path in (PACKAGE / "config").rglob("*.py")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    if isinstance(node, ast.ClassDef) and SECTION_BASES & {getattr(base, "id", "") for base in node.bases}
}
"""The sections that only one modality has, such as `ImageData` and `PointGroups`."""
OBJECTIVES_IN_RECIPES = {
    "classification",
    "masked_modeling",
    "regression",
    "segmentation",
    "part_segmentation",
    "detection",
}
MAY_ASK_FOR_SECTIONS = ("config", "modalities", "data/readers", "data/views")
MAY_ASK_FOR_OBJECTIVES = ("config", "objectives", "recipes")
FOREIGN_ATTRIBUTES = {"_packed_params"}
"""Attributes of other packages' objects, which `hasattr` may ask for: torch's quantised layers."""


def branches(path: Path) -> Iterator[str]:
    """Places where a file branches on the modality or the objective instead of asking their objects."""
    place = path.relative_to(PACKAGE).as_posix()

    def outside(rooms: tuple[str, ...]) -> bool:
        return not any(place.startswith(f"{room}/") for room in rooms)

    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) == 2:
            names = {getattr(part, "id", getattr(part, "attr", "")) for part in ast.walk(node.args[1])}
            own = node.func.id == "isinstance" and names & SECTION_CLASSES
            if own and outside(MAY_ASK_FOR_SECTIONS):
                yield f"crosspath/{place}:{node.lineno}: isinstance of {', '.join(sorted(own))}"
            if node.func.id == "hasattr" and getattr(node.args[1], "value", None) not in FOREIGN_ATTRIBUTES:
                yield f"crosspath/{place}:{node.lineno}: hasattr"
        elif isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            texts = {part.value for side in sides for part in ast.walk(side) if isinstance(part, ast.Constant)}
            texts = {text for text in texts if isinstance(text, str)}
            if texts & OBJECTIVES_IN_RECIPES and outside(MAY_ASK_FOR_OBJECTIVES):
                yield f"crosspath/{place}:{node.lineno}: compares with an objective's name"
            if texts and any(getattr(side, "attr", None) == "modality" for side in sides) and outside(("config",)):
                yield f"crosspath/{place}:{node.lineno}: compares a modality with a string"


def test_nothing_branches_on_modality_or_objective() -> None:
    assert [branch for path in sorted(PACKAGE.rglob("*.py")) for branch in branches(path)] == []


@pytest.mark.parametrize(
    ("line", "allowed"),
    [
        ("isinstance(x, ImageData)", "modalities"),
        ("isinstance(x, str | config.PointGroups)", "data/readers"),
        ("isinstance(x, (AudioAugment, VideoAugment))", "data/views"),
        ("recipe.objective == 'masked_modeling'", "objectives"),
        ("x in {'classification'}", "recipes"),
        ("recipe.data.modality != 'audio'", "config"),
        ("recipe.modality in ('audio', 'text')", "config"),
    ],
)
def test_a_branch_on_modality_or_objective_is_found(line: str, allowed: str) -> None:
    assert len(list(branches(pretended(f"if {line}:\n    pass\n", PACKAGE / "evaluation" / "bad.py")))) == 1
    assert list(branches(pretended(f"if {line}:\n    pass\n", PACKAGE / allowed / "bad.py"))) == []


def test_hasattr_on_own_objects_is_found() -> None:
    assert list(branches(pretended("hasattr(model, 'decoder')\n", PACKAGE / "config" / "bad.py"))) != []
    assert list(branches(pretended("hasattr(module, '_packed_params')\n", PACKAGE / "pathway" / "bad.py"))) == []
