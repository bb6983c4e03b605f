"""The README tells the truth: its snippet prints what is shown, its commands exist, its files are there."""

import ast
import inspect
import json
import re
from pathlib import Path

import pytest

import crosspath

REPOSITORY = Path(__file__).resolve().parent.parent
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def test_the_first_screen_is_one_command_and_the_same_in_python() -> None:
    """Two folders, a command, the sentence that it ends with, and `fit` with the arguments of `try`."""
    from crosspath.cli.main import build_app

    first = "\n".join(README.splitlines()[:30])
    (command,) = re.findall(r"^crosspath (try .*)", first, re.MULTILINE)
    _, bound, _ = build_app().parse_args(command, exit_on_error=False, print_error=False)
    snippet = re.findall(r"```python\n(.*?)```", first, re.DOTALL)[0]
    calls = {ast.unparse(node.func): node for node in ast.walk(ast.parse(snippet)) if isinstance(node, ast.Call)}
    for name in ("fit", "predict", "export"):
        call = calls[f"crosspath.{name}"]
        keywords = {str(keyword.arg): ast.unparse(keyword.value) for keyword in call.keywords}
        inspect.signature(getattr(crosspath, name)).bind(*call.args, **keywords)
        if name == "fit":
            options = {**bound.arguments, "auxiliaries": list(bound.arguments["auxiliary"])}
            assert [ast.literal_eval(argument) for argument in call.args] == [options["target"]]
            assert {key: ast.literal_eval(text) for key, text in keywords.items()}.items() <= options.items()


def test_the_sentence_is_the_tutorial_s() -> None:
    quoted = re.sub(r"\s*\n> ", " ", "".join(re.findall(r"^> .*\n", README, re.MULTILINE))).removeprefix("> ").strip()
    assert "fresh seeds" in quoted
    notebook = json.loads((REPOSITORY / "docs" / "two-folders.ipynb").read_text(encoding="utf-8"))
    printed = ["".join(part.get("text", "")) for cell in notebook["cells"] for part in cell.get("outputs", [])]
    assert any(text.startswith(quoted) for text in printed)


def test_the_snippet_prints_what_the_readme_shows(capsys: pytest.CaptureFixture[str]) -> None:
    _, snippet = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
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
