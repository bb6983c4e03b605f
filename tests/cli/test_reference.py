"""The Command line page of the site shows the commands as they are."""

import re
from pathlib import Path

from crosspath.cli.main import VERBS
from crosspath.cli.reference import command_reference

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"


def test_the_page_is_up_to_date() -> None:
    written = PAGE.read_text(encoding="utf-8")
    assert written == command_reference(), "run `python -m crosspath.cli.reference > docs/commands.md`"


def test_every_verb_has_a_heading_and_an_example() -> None:
    sections = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", command_reference(), re.DOTALL | re.MULTILINE))
    assert set(VERBS) == set(sections) - {"Verbs"}
    for verb in VERBS:
        assert f"```console\ncrosspath {verb} " in sections[verb]


def test_every_link_within_the_page_has_a_heading() -> None:
    page = command_reference()
    anchors = {heading.replace(" ", "-") for heading in re.findall(r"^#+ (.+)$", page, re.MULTILINE)}
    linked = set(re.findall(r"\]\(#([^)]+)\)", page))
    assert linked
    assert linked <= anchors
