"""The model card of a merged checkpoint, as Markdown."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from crosspath.config import Recipe, recipe_to_text


def model_card(receipt: Mapping[str, Any], recipe: Recipe, classes: Sequence[str]) -> str:
    """What was merged into what, with which scales, how equal the outputs are. `receipt`: see `merge_checkpoint`."""
    equality = receipt["equality"]
    if equality["bitwise"]:
        equal = f"bitwise equal on {equality['samples']} generated samples, in float32 and under bfloat16 autocast"
    else:
        worst = ", ".join(f"{name} {value:.3g}" for name, value in equality["max_difference"].items())
        equal = f"not bitwise equal on {equality['samples']} generated samples; largest difference: {worst}"
    lines = [
        f"# {recipe.name}, merged",
        "",
        f"A plain {recipe.modality} model of size `{recipe.model.size}` with {len(classes)} classes. It was",
        "trained with pathways (W + λ·W') from the auxiliaries below and holds the sums, at no further cost.",
        "Method: Multimodal Pathway, arXiv 2401.14405.",
        "",
        "## Auxiliaries",
        "",
        "| name | from | sha256 of its weights |",
        "|---|---|---|",
        *(
            f"| {name} | {source.get('recipe', source.get('origin', 'unknown'))} | {source.get('sha256', 'unknown')} |"
            for name, source in receipt["auxiliaries"].items()
        ),
        "",
        "## Equality",
        "",
        f"Outputs before and after merging: {equal}.",
        f"sha256 of the target's tensors before: `{receipt['merge']['sha256_before']}`, after:"
        f" `{receipt['merge']['sha256_after']}`.",
        "",
        "## Scales",
        "",
        "| weight | auxiliary | λ |",
        "|---|---|---|",
        *(
            f"| {weight} | {name} | {_shown(values)} |"
            for weight, scales in receipt["merge"]["scales"].items()
            for name, values in scales.items()
        ),
        "",
        "## Classes",
        "",
        ", ".join(classes),
        "",
        "## Recipe",
        "",
        "As it was trained; `recipe.yaml` beside this card describes the plain model, without pathways.",
        "",
        "```yaml",
        recipe_to_text(_without_folders(recipe)).rstrip(),
        "```",
        "",
    ]
    return "\n".join(lines)


def _without_folders(recipe: Recipe) -> Recipe:
    """The recipe without the places that only its own machine has."""
    folder = recipe.data.folder
    data = recipe.data.model_copy(update={"folder": folder and Path(folder.name), "cache_folder": None})
    return recipe.model_copy(update={"data": data})


def _shown(values: Sequence[float]) -> str:
    if len(values) == 1:
        return f"{values[0]:+.6f}"
    return f"{min(values):+.6f} to {max(values):+.6f} ({len(values)})"
