"""What `python -m benchmarks` measures, in this order. A part is a module with one function, `measure`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """One part: its module has `measure(*, short: bool) -> list[Table]`."""

    module: str
    title: str
    """The heading on the page."""
    question: str
    """What is measured, in a sentence or two of Markdown."""


PARTS = {
    "step": Part(
        "benchmarks.pathway_step",
        "A training step",
        "Forward, backward and fused AdamW of a timm ViT in float32, without and with a pathway. `published` is a "
        "linear layer that computes `F.linear(x, W + λ * W')`.",
    ),
    "models": Part(
        "benchmarks.models",
        "Connect, merge, save, load; merged inference",
        "ViT-B/16 (in the long form ViT-L/16 too) of timm with random weights and an auxiliary of the same size.",
    ),
    "inputs": Part(
        "benchmarks.inputs",
        "Input paths",
        "From files to batches, against the same work in plain loops and in the libraries that people use.",
    ),
    "features": Part(
        "benchmarks.frozen_features",
        "A head on a frozen body",
        "With `train.scope=head` and no augmentation features are computed once. An epoch on them against an epoch "
        "through the body.",
    ),
    "startup": Part(
        "benchmarks.startup",
        "Start-up",
        "From the command to its first line, and the time of a tiny run that is not training.",
    ),
    "communication": Part(
        "benchmarks.communication",
        "Communication",
        "What two processes exchange in a step of data-parallel training.",
    ),
    "growth": Part(
        "benchmarks.growth",
        "Growth",
        "How the cost of a pathway changes with depth, width, tokens and the number of auxiliaries.",
    ),
}
