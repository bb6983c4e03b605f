"""Do the scores of `crosspath rank` predict gains? Their rank correlation with the differences that studies measured.

    python benchmarks/rank.py --data DATA --image RUN --digits RUN --point RUN --video RUN --dyck RUN --out FILE

The pairs are those of `studies/twelve-directions.yaml` and `studies/positive-control.yaml`, which share targets,
settings and seeds: pathways and the auxiliary of the same modality against `none`, as in `docs/results.json`. Each
auxiliary is pretrained as these files say, or shorter. p of all pairs permutes the differences; p within targets
permutes them among the auxiliaries of each target, which is what ordering auxiliaries means. Both are two-sided, and
the second is adjusted over the scores (Holm 1979). Rows are written to FILE as they are computed, and not computed
again. Pairs of an auxiliary that is not named are left out.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import rankdata

import crosspath
from crosspath.study.definition import read_study
from crosspath.study.ranking.scores import SCORES

REPOSITORY = Path(__file__).resolve().parent.parent
STUDIES = ("twelve-directions", "positive-control")
ARMS = ("pathway", "same-modality")
AUXILIARIES = {
    "image/cifar10": "image",
    "audio/fsdd": "digits",
    "point/modelnet10": "point",
    "video/grid": "video",
    "procedural/dyck": "dyck",
}
"""{recipe of an auxiliary in docs/results.json: the option that names its run}."""
BY_VALUE = ("effective_rank", "stable_rank", "spectrum")
"""Scores that are compared by their value: every trained network differs from its shuffled copies here."""
PERMUTATIONS = 100_000


def main() -> None:
    """Score every pair, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/rank.json"))
    for name in AUXILIARIES.values():
        parser.add_argument(f"--{name}", type=Path)
    options = parser.parse_args()
    rows: list[dict[str, Any]] = json.loads(options.out.read_text(encoding="utf-8")) if options.out.exists() else []
    study = read_study(REPOSITORY / "studies" / "twelve-directions.yaml")
    gains = {pair: value for pair, value in differences().items() if getattr(options, AUXILIARIES[pair[1]]) is not None}
    for target, section in study.targets.items():
        names_before = {row["auxiliary"] for row in rows if row["target"] == target}
        names = {recipe: AUXILIARIES[recipe] for t, recipe in gains if t == target and recipe not in names_before}
        if not names:
            continue
        ranking = crosspath.rank(
            target,
            auxiliaries={name: getattr(options, name) for name in names.values()},
            data=options.data,
            settings=(*study.settings, *section.settings, f"data.labels_per_class={section.labels[0]}"),
        )
        scores = {row.name: {key: score.to_json() for key, score in row.scores.items()} for row in ranking.rows}
        rows += [
            {"target": target, "auxiliary": recipe, "difference": gains[target, recipe], "scores": scores[name]}
            for recipe, name in names.items()
        ]
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    print(table(rows))


def differences() -> dict[tuple[str, str], float]:
    """{(target, recipe of the auxiliary): difference from `none`, as a fraction} of the studies."""
    rows = json.loads((REPOSITORY / "docs" / "results.json").read_text(encoding="utf-8"))
    return {
        (row["target"], row["auxiliary"]): row["difference"]
        for row in rows
        if row["study"] in STUDIES and row["arm"] in ARMS
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Each score's rank correlation with the differences, as Markdown."""
    gains = np.array([row["difference"] for row in rows])
    targets = np.array([row["target"] for row in rows])
    results = []
    for name in SCORES:
        kind = "value" if name in BY_VALUE else "z"
        values = np.array([row["scores"][name][kind] for row in rows])
        everywhere = within(values, gains, np.zeros(len(rows), int))
        results.append((name, kind, *everywhere, *within(values, gains, targets)))
    p_values = holm([result[-1] for result in results])
    pairs, inner = f"ρ, all {len(rows)} pairs", f"mean ρ within {len(set(targets))} targets"
    lines = [f"| score | by its | {pairs} | p | {inner} | p | p, adjusted |", "|" + "---|" * 7]
    for (name, kind, rho, p, inside, p_inside), p_adjusted in zip(results, p_values, strict=True):
        cells = (f"{rho:+.2f}", f"{p:.3f}", f"{inside:+.2f}", f"{p_inside:.3f}", f"{p_adjusted:.2f}")
        lines.append(f"| {name.replace('_', ' ')} | {kind} | {' | '.join(cells)} |")
    return "\n".join(lines)


def within(values: np.ndarray, gains: np.ndarray, targets: np.ndarray) -> tuple[float, float]:
    """(the mean over targets of Spearman's ρ among their auxiliaries, its two-sided permutation p)."""
    rng = np.random.default_rng(0)
    observed, permutations = 0.0, np.zeros(PERMUTATIONS)
    names = np.unique(targets)
    for name in names:
        ours, theirs = (standardise(rankdata(each[targets == name])) for each in (values, gains))
        observed += float(ours @ theirs)
        permutations += rng.permuted(np.tile(ours, (PERMUTATIONS, 1)), axis=1) @ theirs
    extreme = int((np.abs(permutations) >= abs(observed) - 1e-9).sum())
    return observed / len(names), (extreme + 1) / (PERMUTATIONS + 1)


def standardise(ranks: np.ndarray) -> np.ndarray:
    """Centred, of length 1: the product of two of them is Spearman's ρ."""
    centred = ranks - ranks.mean()
    return centred / np.linalg.norm(centred)


def holm(values: list[float]) -> list[float]:
    """p-values adjusted for the chance that any of them is low (Holm 1979)."""
    order = np.argsort(values)
    p_values = np.maximum.accumulate(np.array(values)[order] * np.arange(len(values), 0, -1)).clip(max=1.0)
    result = np.empty(len(values))
    result[order] = p_values
    return result.tolist()


if __name__ == "__main__":
    main()
