"""The tables of a page that answers one question: every direction at once, every arm, and what the answer rests on."""

from collections.abc import Sequence

from table_cells import Row, code, metric_of, score, table, verdict

from crosspath.study.reports.matrix import place_of


def matrix(rows: Sequence[Row]) -> str:
    """Targets down and auxiliaries across: the difference of `pathway` from `none` (bold with a verdict), and in
    brackets that of `random`; before them that of masked modelling of the target's own data, where it was an arm."""
    plain = {row["target"]: row for row in rows if row["arm"] == "none"}
    by_arm = {(row["arm"], row["target"], row["auxiliary"]): row for row in rows}
    directions = [row for row in rows if row["arm"] == "pathway"]
    auxiliaries = sorted({row["auxiliary"] for row in directions}, key=place_of)
    lines = []
    for target in sorted({row["target"] for row in directions}, key=place_of):
        cells = [
            direction(by_arm.get(("pathway", target, name)), by_arm.get(("random", target, name)))
            for name in auxiliaries
        ]
        own = [direction(row, None) for row in rows if row["arm"] == "masked-modelling" and row["target"] == target]
        lines.append((code(target), score(plain[target]), *own, *cells))
    alone = ("`masked-modelling`",) if any(row["arm"] == "masked-modelling" for row in rows) else ()
    return table(("target", "`none`", *alone, *(f"from {code(name)}" for name in auxiliaries)), lines)


def direction(row: Row | None, random: Row | None) -> str:
    """One cell of the matrix."""
    if row is None:
        return "–"
    words = verdict(row)[-1]
    difference = metric_of(row).signed_number(row["difference"])
    text = {
        "helps": f"**{difference}** helps",
        "hurts": f"**{difference}** hurts",
        "unsettled": f"{difference} unsettled",
    }
    beside = "" if random is None else f" ({metric_of(random).signed_number(random['difference'])})"
    return text.get(words, difference) + beside


def question(rows: Sequence[Row]) -> str:
    """One line an arm with all that a reader needs to judge it."""
    columns = ("target", "labels", "arm", "auxiliary", "test", "− `none`", "p", "p adjusted", "verdict")
    columns += ("detectable", "seeds", "rate", "core-hours")
    lines = []
    for row in rows:
        arm = code(row["arm"]) + (f" {row['variant']}" if row["variant"] else "")
        line = (code(row["target"]), str(row["labels_per_class"] or "all"), arm, code(row["auxiliary"]), score(row))
        rate = f"{row['rate']:g}" + (" (edge)" if row.get("at_edge") else "")
        hours = "" if row.get("core_seconds") is None else f"{row['core_seconds'] / 3600:.2f}"
        lines.append((*line, *verdict(row), detectable(row), str(len(row["seeds"])), rate, hours))
    return table(columns, lines)


def facts(rows: Sequence[Row]) -> str:
    """What each study of the rows rests on: command, seeds, what it could show, what it cost."""
    lines = []
    for study in dict.fromkeys(row["study"] for row in rows):
        own = [row for row in rows if row["study"] == study]
        seeds = sorted({seed for row in own for seed in row["seeds"]})
        seed_range = f"{len(seeds)} ({seeds[0]} to {seeds[-1]})"
        powers = sorted(
            {(float(row["detectable"]), detectable(row)) for row in own if row.get("detectable") is not None}
        )
        power = f"{powers[0][1]} to {powers[-1][1]}" if powers else "not computed"
        edges = sum(bool(row.get("unsettled")) for row in own)
        cost = [row["core_seconds"] for row in own if row.get("core_seconds") is not None]
        hours = f"{sum(cost) / 3600:.1f}" if cost else "not noted"
        lines.append((f"`{own[0]['command']}`", seed_range, power, f"{edges} of {len(own)}", hours))
    return table(("command", "seeds", "detectable", "unsettled arms", "core-hours"), lines)


def detectable(row: Row) -> str:
    """The difference that the comparison could show in 80 % of cases; empty where it was not computed."""
    return "" if row.get("detectable") is None else metric_of(row).number(row["detectable"])


def page_of(study: str, rows: Sequence[Row]) -> str:
    """A page for the question of one study, to be completed by what its tables mean."""
    title = study.replace("-", " ").capitalize()
    targets = {row["target"] for row in rows}
    auxiliaries = {row["auxiliary"] for row in rows if row["arm"] == "pathway"}
    kinds = ["facts", *(["matrix"] if len(targets) > 1 and len(auxiliaries) > 1 else []), "question"]
    marks = [f"<!-- table: {study} {kind} -->\n<!-- end -->" for kind in kinds]
    about = "Differences are paired by seed with `none`, with the 95 % interval of the t test; p is adjusted over the"
    about += (
        " comparisons of one arm (Benjamini and Hochberg). Detectable: the true difference that would have a verdict"
    )
    about += " in 80 % of cases, computed before the reported runs."
    return "\n\n".join([f"# {title}", *marks[:1], about, *marks[1:]]) + "\n"
