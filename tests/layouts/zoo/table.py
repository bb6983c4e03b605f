"""Write the table of docs/layouts.md and the README's list of models: `python -m tests.layouts.zoo.table`."""

import re
from collections.abc import Iterable
from pathlib import Path

from tests.layouts.zoo.configuration import Configuration
from tests.layouts.zoo.coverage import Coverage, measure, two_models
from tests.layouts.zoo.every import CONFIGURATIONS
from tests.layouts.zoo.located_roles import LIBRARIES

REPOSITORY = Path(__file__).resolve().parents[3]
PAGE = REPOSITORY / "docs" / "layouts.md"
README = REPOSITORY / "README.md"
MARKS = re.compile(r"(<!-- models -->).*?(<!-- end -->)", re.DOTALL)
HEADINGS = ("library", "model", "blocks", "matrices", "share", "norms", "left out, or why it is refused")
SIZES = frozenset(
    "xxs xs xx xxtiny xtiny nano pico femto atto wee pwee dwee dpwee little betwixt tiny mini small s t ti m l medium "  # noqa: SIM905
    "base large huge giant enormous map gap rw ns".split()
)
"""Words at which timm's name of a family ends."""


def write() -> None:
    """Measure every configuration and write both places."""
    rows = (measure(configuration, *two_models(configuration)) for configuration in CONFIGURATIONS)
    PAGE.write_text(replace_mark(PAGE.read_text("utf-8"), f"\n{table(rows)}\n"), "utf-8")
    README.write_text(replace_mark(README.read_text("utf-8"), families(CONFIGURATIONS)), "utf-8")


def replace_mark(page: str, text: str) -> str:
    """The page with this text in its one marked place."""
    assert len(MARKS.findall(page)) == 1
    return MARKS.sub(lambda match: match[1] + text + match[2], page)


def text_in_mark(page: Path) -> str:
    """What stands in the marked place of a page."""
    (match,) = MARKS.finditer(page.read_text("utf-8"))
    return match[0].removeprefix(match[1]).removesuffix(match[2])


def table(rows: Iterable[Coverage]) -> str:
    """One line for each configuration."""
    return "\n".join((line(HEADINGS), line(["---"] * len(HEADINGS)), *map(row_line, rows)))


def row_line(row: Coverage) -> str:
    """The line of one configuration."""
    library, model = split_name(row.name)
    counts = (str(row.blocks), str(row.matrices), f"{100 * row.share:.0f} %") if not row.refusal else ("", "", "")
    return line((library, model, *counts, row.norms, row.refusal or row.omissions))


def line(cells: Iterable[str]) -> str:
    """A line of a table in Markdown."""
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def split_name(name: str) -> tuple[str, str]:
    """(library, model): `timm cait_xxs24_224` and `transformers LlamaModel, grouped queries` begin with the library."""
    library, _, model = name.partition(" ")
    return (library, model) if library in LIBRARIES else ("", name)


def families(configurations: Iterable[Configuration]) -> str:
    """How many configurations there are; folded away, the families of each library, and those that are refused."""
    configurations = tuple(configurations)
    by_library: dict[str, dict[str, None]] = {library: {} for library in LIBRARIES}
    refusals: dict[str, None] = {}
    for configuration in configurations:
        library, model = split_name(configuration.name)
        if library and not model.startswith("test_"):
            (refusals if configuration.refusal else by_library[library])[family(library, model)] = None
    lists = "; ".join(
        f"**{library}** {', '.join(sorted(names, key=str.lower))}" for library, names in by_library.items()
    )
    summary = f"{len(configurations)} configurations of {', '.join(LIBRARIES)}"
    rest = f"{lists}. Refused, with the reason: {', '.join(refusals)}."
    return f"<details><summary>{summary}</summary>{rest}</details>"


def family(library: str, model: str) -> str:
    """`maxvit` for `maxvit_tiny_tf_224`, `Llama` for `LlamaModel, grouped queries`."""
    model = model.partition(",")[0]
    if library == "timm":
        words = model.split("_")
        ends = (i for i, word in enumerate(words) if i and (word in SIZES or re.fullmatch(r"(?!v\d$).*\d.*", word)))
        return re.sub(r"(?<=net|ext)\d+$", "", "_".join(words[: next(ends, len(words))]))
    return re.sub(r"(Vision|(?<!h2)Text)?(Model|ForPreTraining|ForDepthEstimation)$", "", model)


if __name__ == "__main__":
    write()
