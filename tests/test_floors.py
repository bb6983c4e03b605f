"""Imports only point downward: every import of the package is read, and each line that breaks a floor is named."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "crosspath"

FLOORS = {
    "errors": -1,
    "layouts": 0,
    "config": 0,
    "tokenizers": 0,
    "pathway": 1,
    "models": 1,
    "data": 1,
    "recipes": 1,
    "modalities": 2,
    "objectives": 2,
    "checkpoints": 3,
    "evaluation": 4,
    "integrations": 4,
    "training": 5,
    "study": 6,
    "cli": 7,
}
METHOD_IMPORTS = {"torch", "safetensors", "crosspath"}
"""What `pathway/` may import beside the standard library; of crosspath only `layouts`."""


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
    return [path for path in sorted(PACKAGE.rglob("*.py")) if path.parent != PACKAGE or path.stem in FLOORS]


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


def test_imports_point_downward() -> None:
    assert list(broken_floors(sources())) == []


def test_every_folder_has_a_floor() -> None:
    folders = {folder_of(path) for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE}
    assert folders <= set(FLOORS)


def test_the_method_imports_torch_and_safetensors_only() -> None:
    for path in (PACKAGE / "pathway").glob("*.py"):
        for line, module in imports(path):
            top = module.split(".")[0]
            assert top in METHOD_IMPORTS or top in sys.stdlib_module_names, f"{path}:{line}: {module}"
            if top == "crosspath":
                assert module.split(".")[1] in {"pathway", "layouts"}, f"{path}:{line}: {module}"


def test_a_broken_floor_is_named(tmp_path: Path) -> None:
    bad = PACKAGE / "layouts" / "bad.py"
    line = "from crosspath.cli import main\n"
    assert list(imports_of_text(line, bad)) == ["crosspath/layouts/bad.py:1: layouts imports cli"]


def imports_of_text(text: str, pretended: Path) -> Iterator[str]:
    class Pretended(type(pretended)):  # type: ignore[misc]
        def read_text(self, encoding: str | None = None, errors: str | None = None) -> str:
            return text

    yield from broken_floors([Pretended(pretended)])


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
