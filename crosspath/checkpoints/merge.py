"""Merges a connected checkpoint into a plain one, with a receipt, a model card and, on demand, a certificate."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from crosspath.checkpoints.equality import compare_precisions, outputs
from crosspath.checkpoints.files import run_result
from crosspath.checkpoints.load import load_checkpoint
from crosspath.checkpoints.save import CARD, MERGE_RECEIPT, save_checkpoint
from crosspath.checkpoints.sharing.card import model_card
from crosspath.checkpoints.sharing.certificate import write_certificate
from crosspath.checkpoints.sharing.samples import held_out_samples
from crosspath.checkpoints.sources import strip_paths
from crosspath.config import Recipe
from crosspath.config.pathway import PathwaySection
from crosspath.deprecated import older_keywords
from crosspath.errors import InputError
from crosspath.files import FORMAT_VERSION, finite, new_folder
from crosspath.locks import claim_new
from crosspath.modalities.batches import generated_batch
from crosspath.models import ModalityModel
from crosspath.objectives import objective_of
from crosspath.pathway import merge

SAMPLES = 8
"""Generated ones, on which every merge compares outputs."""


@older_keywords(data_root="data")
def merge_checkpoint(
    checkpoint: str | Path,
    out: str | Path,
    recipe: Recipe | None = None,
    auxiliaries: Mapping[str, str | Path] | None = None,
    *,
    verify: bool = False,
    data: str | Path | None = None,
) -> dict[str, Any]:
    """Fold a checkpoint's pathways into its weights and write the plain model to `out`.

    `out` gets `model.safetensors` with exactly the keys of a model trained without pathways, `recipe.yaml` (its
    `pathway` section at its defaults, since the plain model has none), `merge.json` (the receipt, also returned),
    `README.md` (the model card) and `manifest.json`. Outputs before and after are compared on a generated batch, in
    float32 and under bfloat16 autocast. With `verify` they are compared on held-out samples of the recipe's data as
    well, below `data` (as for `evaluate`; generated sets need none), and `out` gets `certificate.json` and
    `certificate.safetensors`, which `verify` checks again later.

    Raises
    ------
    InputError
        When the checkpoint has no pathways, `out` is not empty, or `verify` finds no data.
    crosspath.pathway.PathwayError
        When a merged weight is not finite; nothing is written.
    """
    out = Path(out)
    new_folder(out, "OUT")
    source = load_checkpoint(checkpoint, recipe, auxiliaries)
    if not source.connected:
        raise InputError(
            checkpoint, "a checkpoint with pathways", "a plain one", "use it as it is: it has nothing to merge"
        )
    samples = held_out_samples(source, None if data is None else Path(data)) if verify else None
    model = source.model
    assert isinstance(model, ModalityModel)
    assert model.about is not None
    batches = {"generated": generated_batch(source.recipe, SAMPLES)}
    if samples is not None:
        batches["real"] = samples.batch
    before = {name: outputs(model, batch) for name, batch in batches.items()}
    merge_receipt = finite(merge(model).to_json())
    merge_receipt["auxiliaries"] = {name: strip_paths(record) for name, record in merge_receipt["auxiliaries"].items()}
    after = {name: outputs(model, batch) for name, batch in batches.items()}
    with torch.device("meta"):
        plain = objective_of(source.recipe).build(source.recipe, len(source.classes))
    assert list(plain.state_dict()) == list(model.state_dict()), "a merged model has the plain model's keys"

    differences = compare_precisions(before["generated"], after["generated"])
    receipt: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "checkpoint": Path(checkpoint).absolute().name,
        "recipe": source.recipe.name,
        "pathway": source.recipe.pathway.model_dump(mode="json"),
        "auxiliaries": {name: strip_paths(record) for name, record in source.auxiliaries.items()},
        "equality": {
            "samples": SAMPLES,
            "bitwise": all(difference["bitwise"] for difference in differences.values()),
            "max_difference": {name: difference["max_difference"] for name, difference in differences.items()},
        },
        "merge": merge_receipt,
    }
    if samples is not None:
        receipt["certificate"] = samples.comparison(before["real"], after["real"])

    about = replace(model.about, receipt=receipt, metrics=_metrics(Path(checkpoint)))
    card = model_card(about, sha256=receipt["merge"]["sha256_after"], scales=receipt["merge"]["scales"])

    def certify(folder: Path) -> None:
        if samples is not None:
            logits = {"before": before["real"], "after": after["real"]}
            write_certificate(folder, out, samples, source, receipt, logits)

    with claim_new(out, "OUT"):
        save_checkpoint(
            model,
            out,
            recipe=source.recipe.model_copy(update={"pathway": PathwaySection()}),
            classes=source.classes,
            auxiliaries=receipt["auxiliaries"],
            texts={MERGE_RECEIPT: json.dumps(receipt, indent=2, allow_nan=False) + "\n", CARD: card},
            beside=certify,
        )
    return receipt


def _metrics(checkpoint: Path) -> dict[str, dict[str, float]]:
    """{part: {metric: value}} of the run that left these weights; empty for a folder that holds no result."""
    parts = run_result(checkpoint).get("metrics")
    return parts if isinstance(parts, dict) else {}
