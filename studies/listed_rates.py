"""Verdicts of studies whose rates came from a list that was not widened: a choice at its edge settles nothing; for
`publish.py`.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import yaml
from table_cells import Row

from crosspath.metrics import METRICS
from crosspath.study.rows import Row as TableRow
from crosspath.study.rows import adjust_verdicts, leave_unsettled
from crosspath.study.statistics import compare_paired

STUDIES = Path(__file__).resolve().parent
BENCHMARKS = {"pretraining": (0.0003, 0.001)}
"""Rates of a table that no study made: those of `benchmarks/pretraining.py`."""
BASELINES = ("none", "scratch")
JUDGEMENTS = ("verdict", "reason", "seeds_needed", "p_adjusted", "at_edge", "unsettled")
"""Fields of a row that follow from where its rate lies."""


def settle(rows: Sequence[Row]) -> list[Row]:
    """The rows, with the judgements that a choice at the edge of a list leaves."""
    result = list(rows)
    for study in dict.fromkeys(row["study"] for row in rows):
        places = [place for place, row in enumerate(rows) if row["study"] == study]
        if any(listed_rates(study, rows[place]["target"]) for place in places):
            verdicts = adjust_verdicts(_judge([rows[place] for place in places]))
            for place, row in zip(places, verdicts, strict=True):
                result[place] = {**rows[place], **{name: getattr(row, name) for name in JUDGEMENTS}}
    return result


@cache
def listed_rates(study: str, target: str) -> tuple[float, ...]:
    """The rates of a list of several; empty for a search that widens, and for a rate that was not searched."""
    if study in BENCHMARKS:
        return BENCHMARKS[study]
    path = STUDIES / f"{study}.yaml"
    if not path.is_file():
        return ()
    tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    rates = (tree["targets"].get(target) or {}).get("rates") or (tree.get("search") or {}).get("rates") or ()
    return tuple(rates) if len(rates) > 1 else ()


def _judge(rows: Sequence[Row]) -> list[TableRow]:
    """Rows of one study with the verdict of their own values, or none where a choice lies at the edge."""
    own = [TableRow.from_json({**row, "at_edge": bool(_edge(row)), "p_adjusted": None}) for row in rows]
    plain = {_comparison(row): row for row in own if row.arm in BASELINES}
    result = []
    for row in own:
        none = plain[_comparison(row)]
        if row is none:
            result.append(row)
            continue
        comparison = compare_paired(row.values, none.values, METRICS[row.metric].more_is_better)
        row = replace(row, verdict=comparison.verdict, reason=comparison.reason, seeds_needed=comparison.seeds_needed)
        edges = [
            f"the best rate of {one.arm}, {one.rate:g}, is the {_edge(one.to_json())} of its list"
            for one in (none, row)
            if one.at_edge
        ]
        result.append(leave_unsettled(row, "; ".join(edges)) if edges else replace(row, unsettled=None))
    return result


def _edge(row: Row) -> str:
    """Where the rate of a row lies in its list; empty inside."""
    rates = listed_rates(row["study"], row["target"])
    if not rates or row["rate"] not in (min(rates), max(rates)):
        return ""
    return "lowest" if row["rate"] == min(rates) else "highest"


def _comparison(row: Row | TableRow) -> tuple[object, ...]:
    """What rows share with the `none` that they are compared with."""
    tree = row if isinstance(row, dict) else row.to_json()
    return tuple(tree[name] for name in ("target", "labels_per_class", "variant"))
