"""The table of licences in `docs/dependencies.md`, from the metadata of what is installed.

    python -m release.licences

rewrites it. Run it where every extra is installed: a dependency that is not keeps its row.
"""

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).resolve().parent.parent
PAGE = REPOSITORY / "docs" / "dependencies.md"
BEGIN, END = "<!-- licences -->", "<!-- end -->"
TOOLS = ("dev", "docs", "release", "soak")
"""Extras that no user of the package installs."""
LONGEST_NAME = 60
"""Characters up to which the field `License` is a name; longer ones are the whole text."""
SHORT = {
    "MIT License": "MIT",
    "BSD License": "BSD",
    "BSD 3-Clause License": "BSD-3-Clause",
    "Apache Software License": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache 2": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache": "Apache-2.0",
    "The MIT License (MIT)": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "3-Clause BSD License": "BSD-3-Clause",
    "Other/Proprietary License": "proprietary",
    "NVIDIA Proprietary Software": "LicenseRef-NVIDIA-Proprietary",
}


def requirements() -> dict[str, list[Requirement]]:
    """{"" or the name of an extra: what it asks for}, from pyproject.toml."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = {"": project["dependencies"], **project["optional-dependencies"]}
    return {name: [Requirement(line) for line in lines] for name, lines in groups.items()}


def licence_of(name: str) -> str | None:
    """The licence that an installed package states; None for one that is not installed."""
    try:
        metadata = distribution(name).metadata
    except PackageNotFoundError:
        return None
    # A package's own field, then its classifiers; `License` holds a name or the whole text.
    expression = metadata.get("License-Expression") or ""
    classifiers = [line.rpartition(" :: ")[2] for line in metadata.get_all("Classifier", []) if "License ::" in line]
    field = (metadata.get("License") or "").strip()
    licence = expression or (
        field if field and len(field) <= LONGEST_NAME and "\n" not in field else " and ".join(classifiers)
    )
    return SHORT.get(licence, licence) or _licence_of_file(name) or "not stated"


def _licence_of_file(name: str) -> str | None:
    """The licence whose text a package without a statement brings with it."""
    for file in distribution(name).files or ():
        if ".dist-info" in str(file) and file.name.upper().startswith("LICENSE"):
            text = file.read_text(encoding="utf-8")
            if "Apache License" in text and "Version 2.0" in text:
                return "Apache-2.0"
    return None


def dependencies(names: Iterable[str]) -> set[str]:
    """Everything that the named packages install with themselves on this system, themselves left out."""
    first = {canonicalize_name(name) for name in names}
    closure = {(name, "") for name in first}
    open_names = list(closure)
    while open_names:
        package, extra = open_names.pop()
        try:
            lines = distribution(package).requires or []
        except PackageNotFoundError:
            continue
        for requirement in map(Requirement, lines):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                name = canonicalize_name(requirement.name)
                new = {(name, option) for option in ("", *requirement.extras)} - closure
                closure |= new
                open_names += new
    return {name for name, _ in closure} - first


def table(before: str) -> str:
    """The two tables. A row of `before` stays where its package is not installed."""
    rows = {match[1]: match[0] for match in re.finditer(r"^\| `([^`]+)` \|.*$", before, re.MULTILINE)}
    users: dict[str, list[str]] = defaultdict(list)
    for extra, group in requirements().items():
        if extra not in TOOLS:
            for requirement in group:
                users[requirement.name].append(f"`[{extra}]`" if extra else "always")
    lines = ["| package | installed | licence |", "|---|---|---|"]
    for name in sorted(users, key=str.lower):
        licence = licence_of(name)
        row = rows.get(name, f"| `{name}` | | not installed here |")
        lines.append(row if licence is None else f"| `{name}` | {', '.join(users[name])} | {licence} |")
    always = [requirement.name for requirement in requirements()[""]]
    packages: dict[str, list[str]] = defaultdict(list)
    for name in sorted(dependencies(always)):
        packages[licence_of(name) or ""].append(name)
    packages.pop("", None)
    lines += ["", "| licence | packages that these bring with them (Linux) |", "|---|---|"]
    lines += [f"| {licence} | {', '.join(packages[licence])} |" for licence in sorted(packages, key=str.lower)]
    return "\n".join(lines)


def main() -> None:
    """Rewrite the tables of the page."""
    head, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    before, _, tail = rest.partition(END)
    PAGE.write_text(f"{head}{BEGIN}\n{table(before)}\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
