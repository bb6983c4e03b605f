"""A page of held-out sequences with a masked token model's prediction of each hidden token, right or wrong."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

PAGE = "sequences.html"
STYLE = (
    "body{font:14px sans-serif;margin:2em}p.s{font:13px monospace;line-height:2.1}"
    "span{padding:2px 3px;margin:1px;border-radius:3px;display:inline-block}"
    ".right{background:#bfe5c8}.wrong{background:#f5b8b0}.note{color:#666}"
)


def write_sequences(
    title: str,
    names: Sequence[str],
    sequences: Sequence[Sequence[int]],
    predictions: Sequence[Mapping[int, int]],
    cells: Sequence[Sequence[str]],
    folder: Path,
) -> Path:
    """One page with a line a sequence; returns its path.

    `predictions` are {place: token}; `cells` the tokens of each sequence as HTML. Hidden tokens stand on colour: green
    where the prediction is right, else red.
    """
    lines = []
    for name, tokens, predicted, row in zip(names, sequences, predictions, cells, strict=True):
        right = sum(tokens[place] == token for place, token in predicted.items())
        lines.append(f"<h3>{escape(name)}: {right} of {len(predicted)} right</h3><p class=s>{''.join(row)}</p>")
    heading = f"{escape(title)}: hidden tokens"
    note = "Green: right. Red: the prediction, then the truth and, for a bracket, the place of its opener."
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / PAGE
    path.write_text(
        f"<!doctype html><meta charset=utf-8><title>{heading}</title><style>{STYLE}</style><h1>{heading}</h1>"
        f"<p class=note>{note}</p>{''.join(lines)}\n",
        encoding="utf-8",
    )
    return path
