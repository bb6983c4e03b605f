"""Does `crosspath try` promise what it says? Simulated races, decided by the very function that decides real ones.

`python benchmarks/simulated_races.py` prints, for test parts of 50, 300 and 3,000 samples: how many of 2,000 races of
equal arms declare a leader better than `none`, and how many find a leader that is truly 5 points better.

Each race has seven ways of starting. A sample is classified correctly where a sum is above 0: the arm's level, the
sample's difficulty, what the sample has with this arm, what this seed has with this arm, and noise. Between two arms of
one seed, the accuracy over all samples then differs with a standard deviation of 3 points; their predictions differ in
29 % of the samples, and half of that variance belongs to the samples. The leader is the way that reads the validation
folds best, each of three folds with a seed of its own; fresh seeds then read test parts that are redrawn from the same
folder (`redrawn`: a fifth of it, validation samples of the race among them), or are always the same (`named`).
"""

import argparse
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crosspath.study.crossed import compare_crossed, race_seeds
from crosspath.study.statistics import compare_paired

WAYS, FOLDS, POOL = 7, 3, 5
DIFFICULTY, OWN, NOISE = 1.0, 0.6, 0.6
ACCURACY, SPREAD = 0.6, 0.03


@dataclass(frozen=True, kw_only=True)
class Races:
    """What many races ended with."""

    helps: float
    """Share that declares the leader better than `none`."""
    alone: float
    """The same by a t test over seeds alone, which takes test samples for the whole world."""
    right: float
    """Share whose leader is the way that is better, where one is."""


def simulate(races: int, *, test: int, seeds: int, gain: float, redrawn: bool, seed: int = 0) -> Races:
    """Simulate races with test parts of `test` samples, one way better than `none` by `gain` (a fraction)."""
    from scipy.stats import norm

    rng = np.random.default_rng((seed, test, seeds, round(1000 * gain), redrawn))
    total = float(np.sqrt(DIFFICULTY**2 + OWN**2 + NOISE**2))
    level = float(norm.ppf(ACCURACY)) * total
    levels = np.full(WAYS, level)
    levels[1] = float(norm.ppf(ACCURACY + gain)) * total
    of_seed = SPREAD / np.sqrt(2) / (float(norm.pdf(norm.ppf(ACCURACY))) / total)
    helps = alone = right = 0
    for _ in range(races):
        difficulty = rng.normal(0, DIFFICULTY, POOL * test)
        own = rng.normal(0, OWN, (WAYS, POOL * test))

        def read(way: int, samples: NDArray[np.int64], own: NDArray[np.float64] = own) -> NDArray[np.float64]:
            """Which samples one model of a new seed classifies correctly."""
            sums = levels[way] + rng.normal(0, of_seed) + difficulty[samples] + own[way, samples]  # noqa: B023
            return np.asarray(sums + rng.normal(0, NOISE, len(samples)) > 0, float)

        folds = np.array_split(np.arange(test, POOL * test), FOLDS)
        scores = [sum(float(read(way, fold).sum()) for fold in folds) for way in range(1, WAYS)]
        leader = 1 + int(np.argmax(scores))
        right += leader == 1
        parts = [rng.permutation(POOL * test)[:test] if redrawn else np.arange(test) for _ in range(seeds)]
        pairs = [(read(leader, part), read(0, part)) for part in parts]
        differences = np.concatenate([ours - theirs for ours, theirs in pairs])
        answer = compare_crossed(differences, np.repeat(np.arange(seeds), test), np.concatenate(parts))
        helps += answer.verdict == "helps"
        means = [[float(values.mean()) for values in arm] for arm in zip(*pairs, strict=True)]
        alone += compare_paired(*means).verdict == "helps"
    return Races(helps=helps / races, alone=alone / races, right=right / races)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--races", type=int, default=2000)
    arguments = parser.parse_args()
    print("| test samples | parts | seeds | equal arms declared better | over seeds alone | +5 found | leader right |")
    print("|---|---|---|---|---|---|---|")
    for test in (50, 150, 300, 3000):
        for redrawn in (True, False):
            seeds = race_seeds(test)
            equal = simulate(arguments.races, test=test, seeds=seeds, gain=0.0, redrawn=redrawn)
            better = simulate(arguments.races, test=test, seeds=seeds, gain=0.05, redrawn=redrawn)
            shares = (equal.helps, equal.alone, better.helps, better.right)
            values = " | ".join(f"{100 * share:.1f} %" for share in shares)
            print(f"| {test:,} | {'redrawn' if redrawn else 'named'} | {seeds} | {values} |", flush=True)


if __name__ == "__main__":
    main()
