"""The model card of a shared or merged model, as Markdown with the hub's YAML front matter."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from crosspath.checkpoints.equality import difference_text
from crosspath.checkpoints.sharing.licences import Licence, licences
from crosspath.checkpoints.sources import strip_paths
from crosspath.config import Recipe, recipe_to_text
from crosspath.config.pathway import PathwaySection
from crosspath.escape import to_code, to_code_block, to_markdown
from crosspath.modalities import modality_of
from crosspath.models.about import About
from crosspath.models.sizes import SIZES, size_of
from crosspath.objectives import objective_of

PAPER = "2401.14405"

Scales = Mapping[str, Mapping[str, Sequence[float]]]
"""{weight: {auxiliary: λ}}."""


def model_card(about: About, *, sha256: str, scales: Scales) -> str:
    """What the model is, the weights and data it comes from and their licences, its scales and its recipe.

    Parameters
    ----------
    about
        With the receipt of a merged model (see `merge_checkpoint`), the card reports the equality of outputs.
    sha256
        Of the tensors of the model's own weights; for a merged model, of the sums.
    scales
        Of the connected or merged pathways; empty without any.
    """
    terms = list(licences(about))
    parts = [_front_matter(about), _what(about, scales), _licences(terms), _target(about, sha256)]
    if any(about.metrics.values()):
        parts.append(_metrics(about))
    if about.auxiliaries:
        parts.append(_auxiliaries(about))
    if about.receipt is not None:
        parts.append(_equality(about.receipt))
    if scales:
        parts.append(_scales(scales))
    title = "Numbers" if about.recipe.data.label_kind == "numbers" else "Classes"
    parts.append([f"## {title}", "", ", ".join(map(to_markdown, about.classes))])
    parts.append(_recipe(about))
    return "\n\n".join("\n".join(lines) for lines in parts) + "\n"


def _front_matter(about: About) -> list[str]:
    objective = objective_of(about.recipe)
    task = objective.hub_task if objective.probabilities is None else modality_of(about.recipe).hub_task
    values = {
        "library_name": "crosspath",
        # The publisher chooses one; the section named here lists the licences to respect.
        "license": "other",
        "license_name": "see-licences-in-the-model-card",
        "license_link": "README.md",
        **({} if task is None else {"pipeline_tag": task}),
        "tags": ["crosspath", "multimodal-pathway", about.recipe.modality, f"arxiv:{PAPER}"],
    }
    return ["---", yaml.safe_dump(values, sort_keys=False).rstrip(), "---"]


def _what(about: About, scales: Scales) -> list[str]:
    recipe = about.recipe
    size = size_of(recipe.model)
    standard = size == SIZES[recipe.model.size]
    shape = f"of size `{recipe.model.size}`" if standard else f"{size.width} wide and {size.depth} blocks deep"
    what = "outputs" if recipe.data.label_kind == "numbers" else "classes"
    kind = f"{recipe.modality} model {shape} with {len(about.classes)} {what}"
    method = f"Method: Multimodal Pathway, arXiv {PAPER}."
    load = '`crosspath.ModalityModel.from_pretrained("OWNER/NAME")`'
    if about.receipt is not None:
        return [
            f"# {to_markdown(recipe.name)}, merged",
            "",
            f"A plain {kind}. It was trained with pathways (W + λ·W') from the auxiliaries below and holds the sums,",
            f"at no further cost. {method} {load} loads it.",
        ]
    if scales:
        return [
            f"# {to_markdown(recipe.name)}, with pathways",
            "",
            f"A {kind}, connected with the auxiliaries below: it computes with W + λ·W'. `model.safetensors` is the",
            f"plain target, `pathway.safetensors` and `pathway.json` hold λ and W'. {method} {load} loads all of it;",
            "`crosspath merge` makes it a plain model.",
        ]
    return [f"# {to_markdown(recipe.name)}", "", f"A plain {kind}. {load} loads it."]


def _licences(terms: Sequence[Licence]) -> list[str]:
    flags = [_flag(licence) for licence in terms if licence.non_commercial]
    missing = [f"{_part_name(licence)} ({to_markdown(licence.source)})" for licence in terms if not licence.is_known]
    return [
        "## Licences",
        "",
        *(line for flag in flags for line in (flag, "")),
        *([f"Licence unknown: {', '.join(missing)}. Find out before you share or use this model.", ""] * bool(missing)),
        "| part | data or weights | terms, as published | where |",
        "|---|---|---|---|",
        *(_row(licence.part, licence.source, licence.terms, licence.address or "") for licence in terms),
    ]


def _flag(licence: Licence) -> str:
    return (
        f"> **Not for commercial use: {_part_name(licence)} comes from {to_markdown(licence.source)}, whose terms"
        f" ({to_markdown(licence.terms)}) do not grant commercial use.** Ask the owners first."
    )


def _part_name(licence: Licence) -> str:
    return "the target" if licence.part == "target" else f"the auxiliary {to_code(licence.part)}"


def _target(about: About, sha256: str) -> list[str]:
    digests = [f"sha256 of its tensors: `{sha256}`"]
    if about.receipt is not None:
        digests = [
            f"sha256 of the target's tensors before: {to_code(about.receipt['merge']['sha256_before'])},",
            f"after: {to_code(about.receipt['merge']['sha256_after'])}.",
        ]
    start = [] if about.start is None else [f"Its training started from {to_code(about.start)}."]
    return ["## Target", "", f"Recipe {to_code(about.recipe.name)}. {' '.join(start)}".rstrip(), *digests]


def _metrics(about: About) -> list[str]:
    parts = {part: values for part, values in about.metrics.items() if values}
    names = dict.fromkeys(name for values in parts.values() for name in values)
    rows = ((name, *(_number(values.get(name)) for values in parts.values())) for name in names)
    return [
        "## Metrics",
        "",
        "Measured by the run that trained it, of one seed. The validation part may have chosen settings.",
        "",
        _row("metric", *parts),
        f"|{'---|' * (len(parts) + 1)}",
        *(_row(*row) for row in rows),
    ]


def _number(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float | int) else ""


def _auxiliaries(about: About) -> list[str]:
    rows = ((name, strip_paths(record)) for name, record in about.auxiliaries.items())
    return [
        "## Auxiliaries",
        "",
        "| name | from | sha256 of its weights |",
        "|---|---|---|",
        *(
            _row(name, record.get("recipe", record.get("origin", "unknown")), record.get("sha256", "unknown"))
            for name, record in rows
        ),
    ]


def _equality(receipt: Mapping[str, Any]) -> list[str]:
    return ["## Equality", "", *_equality_lines(receipt)]


def _equality_lines(receipt: Mapping[str, Any]) -> Iterator[str]:
    equality = receipt["equality"]
    samples = f"{to_markdown(equality['samples'])} generated samples"
    if equality["bitwise"]:
        equal = f"bitwise equal on {samples}, in float32 and under bfloat16 autocast"
    else:
        differences = equality["max_difference"].items()
        worst = ", ".join(f"{to_markdown(name)} {difference_text(value)}" for name, value in differences)
        equal = f"not bitwise equal on {samples}; largest difference: {worst}"
    yield f"Outputs before and after merging: {equal}."
    certificate = receipt.get("certificate")
    if certificate is not None:
        differences = ", ".join(
            f"{to_markdown(name)} {_difference(values)}" for name, values in certificate["outputs"].items()
        )
        yield (
            f"On {to_markdown(certificate['samples'])} samples of the {to_markdown(certificate['part'])} part of"
            f" {to_markdown(certificate['dataset'])}:"
            f" {differences}."
            " `certificate.json` holds the proof; `crosspath verify` checks it again."
        )


def _difference(values: Mapping[str, Any]) -> str:
    if values["bitwise"]:
        return "bitwise equal"
    return f"largest difference {difference_text(values['max_difference'])}, same class for {values['same_class']:.1%}"


def _scales(scales: Scales) -> list[str]:
    return [
        "## Scales",
        "",
        "| weight | auxiliary | λ |",
        "|---|---|---|",
        *(
            _row(weight, name, _range(values))
            for weight, by_auxiliary in scales.items()
            for name, values in by_auxiliary.items()
        ),
    ]


def _recipe(about: About) -> list[str]:
    plain = "`recipe.yaml` beside this card describes the plain model, without pathways."
    recipe = strip_recipe_paths(about.recipe)
    if about.receipt is not None:
        recipe = recipe.model_copy(update={"pathway": PathwaySection.model_validate(about.receipt.get("pathway", {}))})
    return [
        "## Recipe",
        "",
        f"As it was trained{f'; {plain}' if about.receipt is not None else '.'}",
        "",
        *to_code_block(recipe_to_text(recipe).rstrip(), "yaml"),
    ]


def strip_recipe_paths(recipe: Recipe) -> Recipe:
    """A recipe to share: paths of folders and files cut down to their last part, without the cache folder."""
    data = {name: Path(value.name) for name, value in recipe.data if isinstance(value, Path)}
    shards = {name: strip_paths({name: value})[name] for name, value in recipe.data if name.endswith("_shards")}
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={**data, **shards, "cache_folder": None})})


def _row(*texts: object) -> str:
    return f"| {' | '.join(map(to_markdown, texts))} |"


def _range(values: Sequence[float]) -> str:
    if len(values) == 1:
        return f"{values[0]:+.6f}"
    return f"{min(values):+.6f} to {max(values):+.6f} ({len(values)})"
