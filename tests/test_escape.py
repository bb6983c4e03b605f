"""Text from files is shown, never obeyed: one escape for each sink, and no way around it."""

import ast
import io
from dataclasses import replace
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from rich.console import Console

import crosspath
from crosspath.checkpoints.sharing.card import model_card
from crosspath.cli.main import main
from crosspath.cli.output import print_line, print_note, print_table
from crosspath.escape import to_code, to_code_block, to_markdown, to_terminal
from crosspath.models.about import About
from crosspath.study.reports.pages import load_template
from crosspath.training.progress import Bar, make_bar
from tests.checkpoints.small import image_recipe

HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\r\u202egnp<script>alert(1)</script> | ![x](http://x) `` ``` [bold]x[/bold]"
SINKS = {"print_line", "print_note", "print_table", "_print_error", "line"}
"""Functions that write to a terminal; each escapes what it writes."""


def obeyed(text: str) -> list[str]:
    return [letter for letter in text if letter != "\n" and not letter.isprintable()]


def test_a_terminal_shows_control_characters_and_keeps_the_rest() -> None:
    assert not obeyed(to_terminal(HOSTILE))
    assert "\\x1b]0;owned\\x07" in to_terminal(HOSTILE)
    assert to_terminal("ein Käfer\tλ·W′\n") == "ein Käfer\tλ·W′\n"


def test_nothing_obeyed_reaches_the_terminal(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    print_line(HOSTILE)
    print_note(HOSTILE)
    print_table(("class", "p"), [(HOSTILE, HOSTILE)], HOSTILE)
    assert main(["predict", str(tmp_path / HOSTILE.replace("/", "")), "x"]) == 2
    captured = capsys.readouterr()
    assert not obeyed(captured.out + captured.err)

    screen, bar = io.StringIO(), make_bar(False)
    shown = Bar(Console(file=screen), bar.progress, bar.task)
    shown.line(HOSTILE)
    shown.count(HOSTILE, 1, 2)
    assert not obeyed(screen.getvalue() + shown.label)


def test_every_write_to_a_terminal_is_escaped() -> None:
    """`print`, `sys.stdout.write`, `sys.stderr.write` and `console.print` stand in the sinks alone."""
    package = Path(crosspath.__file__).parent
    writes = set()
    for path in sorted(package.rglob("*.py")):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(function, ast.FunctionDef):
                continue
            for call in ast.walk(function):
                text = ast.unparse(call.func) if isinstance(call, ast.Call) else ""
                if text in {"print", "sys.stdout.write", "sys.stderr.write"} or text.endswith("console.print"):
                    assert "to_terminal" in ast.unparse(function) or function.name == "reference", (path, function.name)
                    writes.add(function.name)
    assert writes - {"reference"} == SINKS


def test_a_model_card_has_no_markup_of_others() -> None:
    about = About(
        recipe=image_recipe().model_copy(update={"name": HOSTILE}),
        classes=(HOSTILE, "cat"),
        auxiliaries={HOSTILE: {"origin": HOSTILE, "sha256": HOSTILE}},
        receipt=None,
        start=HOSTILE,
    )
    card = model_card(about, sha256="0", scales={HOSTILE: {HOSTILE: [0.1]}})
    text, _, block = card.partition("## Recipe")
    page = MarkdownIt("commonmark", {"html": True}).enable("table").render(card)
    assert not [markup for markup in ("<script", "<img", "<a ") if markup in page]
    assert not obeyed(card)
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    columns = {line.replace("\\|", "").count("|") for line in rows}
    assert columns == {4, 5}
    fence = block.splitlines()[4].removesuffix("yaml")
    assert fence not in "\n".join(block.splitlines()[5:-1])
    assert model_card(replace(about, classes=("cat_1", "dog")), sha256="0", scales={}).count("cat_1, dog") == 1


def test_markdown_and_code() -> None:
    assert to_markdown("a_b <i>\n|*x*_y_") == "a_b &lt;i&gt; \\|\\*x\\*\\_y\\_"
    assert to_code("a`b") == "`` a`b ``"
    assert to_code_block("x\n ```\n", "yaml")[0] == "````yaml"


@pytest.mark.parametrize("name", ["banner.html", "study.html"])
def test_a_page_escapes_all_but_its_own_figures(name: str) -> None:
    template = load_template(name)
    assert template.environment.autoescape
    source = (Path(crosspath.__file__).parent / "study" / "reports" / name).read_text(encoding="utf-8")
    assert source.count("| safe") == 1
