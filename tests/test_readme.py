"""The README tells the truth: its snippet prints what is shown, its commands exist, its files are there."""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def test_the_snippet_prints_what_the_readme_shows(capsys: pytest.CaptureFixture[str]) -> None:
    (snippet,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (output,) = re.findall(r"```text\n(.*?)```", README, re.DOTALL)
    exec(compile(snippet, "README.md", "exec"), {})
    assert capsys.readouterr().out == output


def test_every_verb_is_named() -> None:
    from crosspath.cli.main import VERBS

    (section,) = re.findall(r"## The command line\n(.*?)\n## ", README, re.DOTALL)
    assert set(VERBS) <= set(re.findall(r"`(\w+)`", section))


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)h][^)]*)\)", README))))
def test_linked_files_exist(link: str) -> None:
    assert (REPOSITORY / link).exists()


def test_it_is_read_in_one_go() -> None:
    assert len(README.splitlines()) <= 120
    assert not re.search(r"PLACEHOLDER|TODO|TBD", README)


def test_both_commands_are_targets_of_the_makefile() -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    for target in ("demo", "test"):
        assert f"make {target}" in README
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
