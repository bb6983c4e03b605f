"""Text from files is text: class names, file names and origins reach each sink through its escape.

HTML pages escape by themselves (jinja's `autoescape`, `html.escape`), YAML by its dumper.
"""

import re

CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What a terminal acts on instead of showing it: control sequences, changes of direction; and halves of characters."""
MARKS = re.compile(r"([\\`*\[\]|]|(?<!\w)_|_(?!\w))")
"""What Markdown takes for markup inside a line; an underscore inside a word is none."""


def to_terminal(text: str) -> str:
    """Text that a terminal shows and never obeys: control characters as `\\x1b`; tabs and line feeds stay."""
    return CONTROLS.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def to_markdown(text: object) -> str:
    """One line of Markdown that shows the text: no markup, no HTML, no end of a table's cell."""
    line = to_terminal(" ".join(str(text).split()))
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return MARKS.sub(r"\\\1", line)


def to_code(text: object) -> str:
    """The text as a code span, also in a table's cell."""
    line = to_terminal(" ".join(str(text).split())).replace("|", "\\|")
    ticks = "`" * (_longest_run(line) + 1)
    return f"{ticks} {line} {ticks}" if "`" in line else f"{ticks}{line}{ticks}"


def to_code_block(text: str, language: str) -> list[str]:
    """The lines of a block of code whose content cannot end it."""
    fence = "`" * max(3, _longest_run(text) + 1)
    return [f"{fence}{language}", to_terminal(text), fence]


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)
