"""What a release states about itself: dependencies, licences, workflows, the report of vulnerabilities."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from release.licences import PAGE, TOOLS, dependencies, licence_of, requirements

REPOSITORY = Path(__file__).resolve().parent.parent
WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))


def rows_of(heading: str) -> dict[str, list[str]]:
    """{package: the other cells of its row} of a section of the page."""
    section = PAGE.read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `([^`]+)` \| (.*) \|$", section, re.MULTILINE)
    return {name: cells.split(" | ") for name, cells in rows}


def test_every_dependency_has_a_licence() -> None:
    users = {requirement.name for name, group in requirements().items() if name not in TOOLS for requirement in group}
    rows = rows_of("Licences")
    assert rows.keys() == users
    for name, (_, licence) in rows.items():
        assert licence in (licence_of(name) or licence), name
        assert licence not in ("", "not stated", "not installed here"), name


def test_what_dependencies_bring_is_found() -> None:
    assert {"markupsafe", "mpmath", "filelock"} <= dependencies(["torch", "sympy", "jinja2"]) | {"filelock"}
    assert "torch" not in dependencies(["torch"])


def test_every_lowest_version_is_explained() -> None:
    bounds = {requirement.name: str(requirement.specifier).removeprefix(">=") for requirement in requirements()[""]}
    rows = rows_of("Lowest versions")
    assert {name: cells[0] for name, cells in rows.items()} == bounds
    assert all(cells[1].strip() for cells in rows.values())


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_pin_their_actions_and_ask_for_no_more_than_they_need(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    uses = re.findall(r"uses: (\S+)(.*)", text)
    assert uses
    for action, version in uses:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", action), action
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", version), action
    workflow: dict[Any, Any] = yaml.safe_load(text)
    assert workflow["permissions"] == {"contents": "read"}
    assert "secrets." not in text
    for name, job in workflow["jobs"].items():
        assert job["timeout-minutes"], name
        assert set(job.get("permissions", {})) <= {"id-token", "pages"}, name


def test_tests_run_on_three_systems_and_three_pythons() -> None:
    workflow = yaml.safe_load((REPOSITORY / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8"))
    matrix = workflow["jobs"]["tests"]["strategy"]["matrix"]
    assert {name.partition("-")[0] for name in matrix["system"]} == {"ubuntu", "macos", "windows"}
    classifiers = re.findall(r"Python :: (3\.\d+)", (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    assert matrix["python"] == classifiers


def test_vulnerabilities_are_reported_through_the_host() -> None:
    text = (REPOSITORY / "SECURITY.md").read_text(encoding="utf-8")
    assert "Report a vulnerability" in text
    assert "@" not in text
