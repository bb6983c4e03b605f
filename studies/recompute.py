"""What `check.py` recomputes: the runs of a study by their folders, and their statistics by SciPy. Not by crosspath."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import optimize, stats

LOWER_IS_BETTER = {"loss", "mae", "rmse"}
FEWEST_SEEDS = 3
STATISTICS = ("mean", "std", "difference", "low", "high", "p", "p_adjusted", "verdict", "seeds_needed")
Row = dict[str, Any]
Numbers = dict[str, Any]


Setting = tuple[float, float | None]
"""Learning rate, and weight decay where it is not the recipe's own."""


@dataclass(frozen=True)
class Cell:
    """The runs of one arm: {setting: {seed: result}} of the reported runs, {rate: {seed: result}} of the search at full
    length, and of the weight decays {setting: {seed: result}}."""

    final: dict[Setting, dict[int, Any]]
    search: dict[float, dict[int, Any]]
    decays: dict[Setting, dict[int, Any]]
    trial_seconds: float
    """Core-seconds of every trial of the search, the shorter ones too."""


Place = tuple[str, str, str, str, str]
"""Recipe, labels, variant, arm, name of the auxiliary; empty where there is none."""


def read_cells(folder: Path, auxiliaries: Sequence[str]) -> dict[Place, Cell]:
    """Every arm that has a reported run."""
    cells: dict[Place, Cell] = {}
    folders = sorted({path.parents[2] for path in folder.glob("runs/**/final/lr-*-seed-*/result.json")})
    for path in folders:
        parts = path.relative_to(folder / "runs").parts
        variant = next((part.removeprefix("variant-") for part in parts[2:-1]), "")
        # The longest name first: `sounds-2` ends with no other name.
        names = sorted(auxiliaries, key=len, reverse=True)
        auxiliary = next((name for name in names if parts[-1].endswith(f"-{name}")), "")
        arm = parts[-1].removesuffix(f"-{auxiliary}") if auxiliary else parts[-1]
        search = read_runs(path / "search")
        cell = Cell(
            final=read_runs(path / "final"),
            search={rate: runs for (rate, decay), runs in search.items() if decay is None},
            decays={setting: runs for setting, runs in search.items() if setting[1] is not None},
            trial_seconds=trial_seconds(path),
        )
        recipe = next(iter(next(iter(cell.final.values())).values()))["recipe"]
        cells[recipe, parts[1].removeprefix("labels-"), variant, arm, auxiliary] = cell
    return cells


def trial_seconds(folder: Path) -> float:
    """Core-seconds of an arm's trials; one that diverged has them in its record."""
    seconds = 0.0
    for path in folder.glob("search*/lr-*/*.json"):
        if path.name == "result.json":
            seconds += core_seconds(json.loads(path.read_text(encoding="utf-8")))
        elif path.name == "diverged.json" and not path.with_name("result.json").is_file():
            seconds += json.loads(path.read_text(encoding="utf-8")).get("core_seconds", 0.0)
    return seconds


def core_seconds(run: Any) -> float:
    """Of one finished run."""
    return float(run["duration_s"] * run["environment"]["threads"])


def read_runs(folder: Path) -> dict[Setting, dict[int, Any]]:
    """{setting: {seed: result}}, by the names of the run folders; None for a trial that diverged."""
    runs: dict[Setting, dict[int, Any]] = {}
    for path in sorted((*folder.glob("lr-*-seed-*/result.json"), *folder.glob("lr-*-seed-*/diverged.json"))):
        name = re.fullmatch(r"lr-(.+?)(?:-decay-(.+?))?-seed-(\d+)", path.parent.name)
        assert name is not None
        rate, decay, seed = float(name[1]), None if name[2] is None else float(name[2]), int(name[3])
        has_result = path.name == "result.json"
        result = json.loads(path.read_text(encoding="utf-8")) if has_result else None
        if has_result or seed not in runs.get((rate, decay), {}):
            runs.setdefault((rate, decay), {})[seed] = result
    return runs


def search_means(cell: Cell, metric: str) -> dict[float, float | None]:
    """{rate: mean of its trials on the validation part}; None where one of them diverged."""
    return {rate: mean_of(runs, metric) for rate, runs in sorted(cell.search.items())}


def mean_of(runs: Mapping[int, Any], metric: str) -> float | None:
    """Of the trials of one setting."""
    if any(run is None for run in runs.values()):
        return None
    return float(np.mean([run["metrics"]["validation"][metric] for run in runs.values()]))


def chosen_decay(cell: Cell, metric: str) -> float | None:
    """The weight decay of the reported runs, where it is one of the best at the chosen rate; None for the recipe's."""
    rate = chosen_rate(cell, metric)
    means = {decay: mean_of(runs, metric) for (at, decay), runs in cell.decays.items() if at == rate}
    if not means:
        return None
    finite = {
        decay: mean for decay, mean in {None: mean_of(cell.search[rate], metric), **means}.items() if mean is not None
    }
    best = (min if metric in LOWER_IS_BETTER else max)(finite.values())
    equal = [decay for decay, mean in finite.items() if math.isclose(mean, best, rel_tol=1e-11, abs_tol=1e-11)]
    return next((decay for decay in equal if (rate, decay) in cell.final), equal[0])


def spread_of(cell: Cell, plain: Cell, metric: str) -> float | None:
    """The pooled deviation of the paired differences of the trials, at the chosen rates and their neighbours."""
    own, others = sorted(cell.search), sorted(plain.search)
    if not own or not others:
        return None
    at, beside = own.index(chosen_rate(cell, metric)), others.index(chosen_rate(plain, metric))
    variances, degrees = [], []
    for step in (-1, 0, 1):
        if not (0 <= at + step < len(own) and 0 <= beside + step < len(others)):
            continue
        pair = cell.search[own[at + step]], plain.search[others[beside + step]]
        if len(pair[0]) > 1 and None not in (*pair[0].values(), *pair[1].values()):
            reads = [[runs[seed]["metrics"]["validation"][metric] for seed in sorted(runs)] for runs in pair]
            differences = np.subtract(*reads)
            variances.append(float(np.var(differences, ddof=1)))
            degrees.append(len(differences) - 1)
    if not degrees or not any(variances):
        return None
    return math.sqrt(float(np.average(variances, weights=degrees)))


def detectable(spread: float, seeds: int) -> float | None:
    """The difference with a power of 80 %, by the noncentral t distribution."""
    if seeds < FEWEST_SEEDS:
        return None
    critical = stats.t.ppf(0.975, seeds - 1)
    size = optimize.bisect(lambda size: stats.nct.sf(critical, seeds - 1, size * math.sqrt(seeds)) - 0.8, 0, 20)
    return spread * float(size)


def best_rates(cell: Cell, metric: str) -> list[float]:
    """Those with the best mean of the search, but for rounding; without a search of rates, the one that was used."""
    means = {rate: mean for rate, mean in search_means(cell, metric).items() if mean is not None}
    if not means or len(cell.search) == 1:
        return [min(rate for rate, _ in cell.final)]
    best = (min if metric in LOWER_IS_BETTER else max)(means.values())
    return [rate for rate, mean in means.items() if math.isclose(mean, best, rel_tol=1e-11, abs_tol=1e-11)]


def chosen_rate(cell: Cell, metric: str) -> float:
    """That of the reported runs, where it is one of the best; else the best, of equal ones the smallest."""
    best = best_rates(cell, metric)
    rates = {rate for rate, _ in cell.final}
    return next((rate for rate in best if rate in rates), best[0])


def cell_of(
    row: Row, rows: Sequence[Row], cells: Mapping[Place, Cell], origins: Mapping[str, Sequence[str]]
) -> Cell | None:
    """The runs of a row of a table; None where there are none."""
    names = [""]
    if row["auxiliary"] is not None:
        names = [name for name, (recipe, *_) in origins.items() if recipe == row["auxiliary"]]
        names = names[turn(row, rows) :][:1]
    # The labels may be those of a setting, and an arm that a variant does not change is shared by all variants.
    labels = ("all" if row.get("labels_per_class") is None else str(row["labels_per_class"]), "all")
    places = [
        (row["target"], of_labels, variant, row["arm"], name)
        for name in names
        for of_labels in labels
        for variant in (row.get("variant") or "", "")
    ]
    return next((cells[place] for place in places if place in cells), None)


def statistics_of(values: Sequence[float], baseline: Sequence[float] | None, metric: str) -> Numbers:
    """The numbers of one row, with the test of SciPy."""
    numbers: Numbers = {"mean": float(np.mean(values))}
    numbers["std"] = float(np.std(values, ddof=1)) if len(values) > 1 else None
    for name in ("difference", "low", "high", "p", "verdict", "seeds_needed"):
        numbers[name] = None
    if baseline is None:
        return numbers
    differences = np.subtract(values, baseline)
    mean, count = float(differences.mean()), len(differences)
    numbers |= {"difference": mean, "verdict": "no evidence"}
    spread = float(differences.std(ddof=1)) if count > 1 else 0.0
    smallest = 1e-12 * max(1.0, *np.abs([*values, *baseline]))
    if spread <= smallest:
        return numbers
    if abs(mean) > 1e-9 * spread:
        # 7.85 = (z(0.975) + z(0.8))², for 80 % power; 2 for the wider tails of t.
        numbers["seeds_needed"] = math.ceil(7.85 * (spread / mean) ** 2 + 2)
    if count >= FEWEST_SEEDS:
        test = stats.ttest_rel(values, baseline)
        low, high = test.confidence_interval(0.95)
        numbers |= {"low": float(low), "high": float(high), "p": float(test.pvalue)}
        numbers["verdict"] = verdict_of(mean, numbers["p"], metric)
    return numbers


def verdict_of(difference: float, p: float, metric: str) -> str:
    """In words."""
    if p >= 0.05:
        return "no evidence"
    return "helps" if (difference > 0) != (metric in LOWER_IS_BETTER) else "hurts"


def adjust(rows: Sequence[Row], numbers: Sequence[Numbers]) -> None:
    """Adjusted p (Benjamini and Hochberg 1995) of every arm that one study compares more than once, and its verdict.

    An unsettled comparison counts as one of the family that shows nothing, and has no verdict.
    """
    families: dict[tuple[str, str], list[Numbers]] = {}
    for row, of_row in zip(rows, numbers, strict=True):
        of_row["p_adjusted"] = None
        if row.get("unsettled"):
            of_row |= {"seeds_needed": None, "verdict": of_row["verdict"] and "no evidence"}
        if of_row["p"] is not None:
            of_row |= {"metric": row["metric"], "settled": not row.get("unsettled")}
            families.setdefault((str(row.get("study")), row["arm"]), []).append(of_row)
    for family in families.values():
        smallest = 1.0
        members = [of_row for of_row in family if of_row["settled"]] if len(family) > 1 else []
        in_order = sorted(members, key=lambda of_row: -float(of_row["p"]))
        for place, of_row in enumerate(in_order):
            smallest = min(smallest, of_row["p"] * len(family) / (len(members) - place))
            of_row |= {"p_adjusted": smallest, "family": len(family)}
            of_row["verdict"] = verdict_of(of_row["difference"], smallest, of_row["metric"])


def saving_of(row: Row, values: Sequence[float], curve: Mapping[int, Sequence[float]]) -> Numbers:
    """How many times its labels `none` needs for the accuracy of a row; `curve`: its {labels: accuracy by seed}."""
    labels = sorted(curve)
    logs = np.log(labels)
    factors = []
    for seed, value in enumerate(values):
        heights = monotone([curve[count][seed] for count in labels])
        if heights[0] <= value <= heights[-1] and heights[0] < heights[-1]:
            right = next(index for index, height in enumerate(heights) if height >= value)
            left = max(right - 1, 0)
            share = (value - heights[left]) / (heights[right] - heights[left]) if right else 0.0
            factors.append(logs[left] + share * (logs[right] - logs[left]) - math.log(row["labels_per_class"]))
    numbers: Numbers = {"factor": None, "low": None, "high": None, "beyond": len(values) - len(factors)}
    if factors and not numbers["beyond"]:
        numbers["factor"] = math.exp(float(np.mean(factors)))
        if len(factors) >= FEWEST_SEEDS and np.std(factors) > 0:
            low, high = stats.ttest_1samp(factors, 0.0).confidence_interval(0.95)
            numbers |= {"low": math.exp(low), "high": math.exp(high)}
        elif len(factors) >= FEWEST_SEEDS:
            numbers |= {"low": numbers["factor"], "high": numbers["factor"]}
    return numbers


def monotone(values: Sequence[float]) -> list[float]:
    """The nearest curve that never falls: neighbours that do are replaced by their mean."""
    pools: list[list[float]] = []
    for value in values:
        pools.append([value])
        while len(pools) > 1 and np.mean(pools[-2]) > np.mean(pools[-1]):
            last = pools.pop()
            pools[-1] += last
    return [float(np.mean(pool)) for pool in pools for _ in pool]


def heading(row: Row) -> str:
    """The heading of a row's table."""
    parts = [row["target"]]
    parts += [f"{row['labels_per_class']} labels per class"] if row.get("labels_per_class") else []
    parts += [row["variant"]] if row.get("variant") else []
    parts += [f"{row['part']} part"] if row.get("part", "test") != "test" else []
    return ", ".join(parts)


def row_name(row: Row) -> str:
    """A row, in words."""
    details = [row.get("study"), heading(row), row["arm"], row["auxiliary"] and f"from {row['auxiliary']}"]
    return " ".join(str(detail) for detail in details if detail)


def turn(row: Row, rows: Sequence[Row]) -> int:
    """Which of the rows of its name it is: auxiliaries of one recipe have rows of one name, in order."""
    return [id(other) for other in rows if row_name(other) == row_name(row)].index(id(row))
