"""A page that shows what a masked token model makes of held-out bracket sequences: each place, right or wrong."""

from html import escape
from pathlib import Path

import numpy as np
from torch import nn

from crosspath.config import Recipe
from crosspath.config.data import TextData
from crosspath.data.examples import Examples
from crosspath.data.generated.brackets import partners
from crosspath.evaluation.devices import Compute
from crosspath.evaluation.masked_tokens import named_rows

PAGE = "sequences.html"
STYLE = (
    "body{font:14px sans-serif;margin:2em}p.s{font:13px monospace;line-height:2.1}"
    "span{padding:2px 3px;margin:1px;border-radius:3px;display:inline-block}"
    ".right{background:#bfe5c8}.wrong{background:#f5b8b0}.note{color:#666}"
)


def write_sequences(
    model: nn.Module, recipe: Recipe, examples: Examples, folder: Path, compute: Compute, count: int = 6
) -> Path:
    """One page with `count` sequences spread evenly over a held-out part; returns its path.

    `5(` opens a bracket of kind 5 and `)5` closes one. Hidden closers stand on colour: what the model says, green
    where it is right, else red, with the truth and the place of the opener, from 0, behind it.
    """
    assert isinstance(recipe.data, TextData)
    rows = np.unique(np.linspace(0, len(examples) - 1, min(count, len(examples))).round().astype(int))
    found = named_rows(model, recipe, examples, rows.tolist(), compute)
    said_BM = found.logits_BMV.argmax(dim=2).cpu().tolist()
    masked_BM = found.masked_BM.cpu().tolist()
    shown = []
    for number, row in enumerate(rows):
        tokens = [int(token) for token in np.asarray(examples.inputs[row])]
        said = dict(zip(masked_BM[number], said_BM[number], strict=True))
        right = sum(tokens[place] == token for place, token in said.items())
        cells = "".join(_cells(tokens, said, recipe.data.kinds))
        shown.append(f"<h3>{escape(examples.ids[row])}: {right} of {len(said)} right</h3><p class=s>{cells}</p>")
    title = f"{escape(recipe.name)}: closing brackets that were hidden"
    note = "Green: named rightly. Red: what was said, then the truth and the place of the bracket that it closes."
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / PAGE
    path.write_text(
        f"<!doctype html><meta charset=utf-8><title>{title}</title><style>{STYLE}</style><h1>{title}</h1>"
        f"<p class=note>{note}</p>{''.join(shown)}\n",
        encoding="utf-8",
    )
    return path


def _cells(tokens: list[int], said: dict[int, int], kinds: int) -> list[str]:
    openers = partners(tokens, kinds)
    cells = []
    for place, token in enumerate(tokens):
        if place not in said:
            cells.append(f"<span>{_word(token, kinds)}</span>")
        elif said[place] == token:
            cells.append(f"<span class=right>{_word(token, kinds)}</span>")
        else:
            truth = f"{_word(token, kinds)} of {openers[place]}"
            cells.append(f"<span class=wrong>{_word(said[place], kinds)} ({truth})</span>")
    return cells


def _word(token: int, kinds: int) -> str:
    return f"{token}(" if token < kinds else f"){token - kinds}"
