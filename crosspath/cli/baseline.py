"""`crosspath baseline`."""

from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from crosspath.cli.options import Data, Json, Labels, Settings, data_and_settings, with_short
from crosspath.cli.output import print_json, print_line, print_next, print_table


def baseline(
    recipe: str,
    /,
    *,
    data: Data = None,
    labels: Labels = None,
    set_: Settings = (),
    seeds: Annotated[int, Parameter(validator=Number(gte=1))] = 3,
    json: Json = False,
) -> None:
    """Measure the usual classifier without a network on a recipe's data: for time series MiniRocket and ridge.

    Example: `crosspath baseline series/plaid --data DIR --labels 30`

    It has the training samples, the labels and the held-out parts of a run of this recipe, and reads the test part once
    a seed. Needs `pip install 'crosspath[baseline]'`.

    Parameters
    ----------
    recipe
        A recipe such as `series/plaid`, or a recipe file.
    seeds
        Number of seeds, from 0; a seed draws the labels and what the classifier draws.
    """
    from crosspath.evaluation.baseline import baseline as measure

    texts = with_short(set_, {"data.labels_per_class": labels})
    result = measure(recipe, data=data, settings=texts, seeds=range(seeds))
    if json:
        print_json(result)
        return
    rows = [
        (str(row["seed"]), f"{row['train_samples']:,}", f"{row['validation']:.4f}", f"{row['test']:.4f}")
        for row in result["rows"]
    ]
    print_table(("seed", "samples", "validation", "test"), rows)
    spread = "" if result["std"]["test"] is None else f" ± {result['std']['test']:.4f}"
    print_line(f"{result['baseline']} on {result['recipe']}: test accuracy {result['mean']['test']:.4f}{spread}")
    print_next("crosspath", "train", recipe, *data_and_settings(data, texts))
