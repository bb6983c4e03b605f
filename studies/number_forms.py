"""How the pages of a study print their numbers, and how a page is read back; for `check.py`. Without crosspath."""

import html
import re
from collections.abc import Callable, Iterator

from recompute import Numbers

PERCENT = {
    "accuracy": "accuracy",
    "map": "mean average precision",
    "box_ap": "box AP",
    "instance_miou": "instance mIoU",
    "miou": "mIoU",
}
METRICS = {
    **{name: (f"{title}, %", ".1f") for name, title in PERCENT.items()},
    "loss": ("loss", ".4f"),
    "r2": ("R²", ".3f"),
    "mae": ("mean absolute error", ".4g"),
    "rmse": ("root mean squared error", ".4g"),
}
"""{metric: (heading of its column, how its numbers are written)}."""


def forms_of(numbers: Numbers, column: str, metric: str, unsettled: bool = False) -> set[str] | None:
    """How a number may be printed; two ways where it lies between two last digits. None for an unknown column."""

    def texts(form: Callable[[float], str], *values: float | None) -> set[str]:
        if any(value is None for value in values):
            return {""}
        return {form(float(value or 0) * (1 + shift)) for value in values for shift in (-1e-12, 0.0, 1e-12)}

    def join(one: set[str], between: str, other: set[str]) -> set[str]:
        return {f"{a}{between}{b}" if a and b else a for a in one for b in other}

    title, form = METRICS[metric]
    scale = 100 if title.endswith(", %") else 1

    def number(value: float) -> str:
        return format(scale * value, form)

    def with_sign(value: float) -> str:
        return format(scale * (value if abs(value) > 1e-9 else 0.0), f"+{form}").replace("-", "−")

    if column == title:
        return join(texts(number, numbers["mean"]), " ± ", texts(number, numbers["std"]))
    if column == "difference":
        return texts(with_sign, numbers["difference"])
    if column == "95 % interval":
        return join(texts(with_sign, numbers["low"]), " to ", texts(with_sign, numbers["high"]))
    if column == "p":
        return join(texts(chance, numbers["p"]), ", adjusted ", texts(chance, numbers["p_adjusted"]))
    if column == "verdict":
        return {"unsettled" if unsettled else numbers["verdict"] or ""}
    if column == "detectable":
        return texts(number, numbers.get("detectable"))
    if column == "seeds needed":
        return {"" if numbers["seeds_needed"] is None else f"{numbers['seeds_needed']:,}"}
    return None


def chance(p: float) -> str:
    """With three digits."""
    return "<0.001" if p < 0.0005 else f"{p:.3f}"


def read_tables(page: str) -> Iterator[tuple[str, dict[str, str]]]:
    """(heading, {column: cell}) of every line of every table."""
    title, columns = "", list[str]()
    for line in page.splitlines():
        if line.startswith("## "):
            title, columns = unescape(line.removeprefix("## ")), []
        elif line.startswith("| "):
            entries = [unescape(cell.strip()) for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            if not columns:
                columns = entries
            else:
                yield title, dict(zip(columns, entries, strict=True))


def unescape(text: str) -> str:
    """Markdown's text without its escapes."""
    return html.unescape(re.sub(r"\\([^\w\s]|_)", r"\1", text))
