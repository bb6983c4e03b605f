"""`crosspath inspect`."""

import re
from math import prod
from pathlib import Path
from typing import Any

from crosspath.cli.options import Json
from crosspath.cli.output import print_json, print_line, print_table


def inspect(file: Path, /, *, key: str | None = None, json: Json = False) -> None:
    """Name a foreign checkpoint's format and list its tensors. Nothing in it is executed.

    Example: `crosspath inspect checkpoint-99.pth`

    Parameters
    ----------
    file
        A `.safetensors` or pickled file (`.pth`, `.pt`, `.bin`), or a folder of timm or transformers.
    key
        The entry that holds the model, such as `model_ema`; found by itself when not given.
    json
        Print one JSON object on stdout, with every tensor.
    """
    from crosspath.checkpoints.foreign import inspect_checkpoint

    told = inspect_checkpoint(file, key=key)
    if json:
        print_json(told)
        return
    values = sum(prod(shape) for shape, _ in told["tensors"].values())
    title = f"{told['file']}: {told['container']}, {told['format'] or 'unknown format'}"
    print_table(("tensor", "shape", "type", "becomes"), _grouped(told), title=title)
    print_line(f"{len(told['tensors'])} tensors, {values:,} values; sha256 {told['sha256']}")
    for line in _said(told):
        print_line(line)


def dropped_lines(dropped: dict[str, str]) -> list[str]:
    """One line a reason."""
    reasons: dict[str, list[str]] = {}
    for name, reason in dropped.items():
        reasons.setdefault(reason, []).append(name)
    return [
        f"dropped: {names[0]}{f' and {len(names) - 1} more' if names[1:] else ''} ({reason})"
        for reason, names in reasons.items()
    ]


def _said(told: dict[str, Any]) -> list[str]:
    lines = dropped_lines(told["dropped"])
    pickle = told["pickle"]
    if pickle is not None:
        if pickle["dangerous"]:
            lines.append(f"DANGEROUS pickle: loading it looks up {', '.join(pickle['dangerous'])}")
        elif pickle["beyond_weights"]:
            lines.append(f"pickle: more than weights, it looks up {', '.join(pickle['beyond_weights'])}")
        else:
            lines.append("pickle: weights alone")
    if told["fresh"]:
        lines.append(f"starts afresh: {', '.join(told['fresh'])}")
    lines += told["notes"]
    if told["problem"]:
        lines.append(f"cannot be converted: {told['problem']}")
    if told["next"]:
        lines.append(f"next: {told['next']}")
    return lines


def _grouped(told: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """What is not dropped, one row for a tensor of all blocks: `blocks.{0-11}.norm1.weight`."""
    groups: dict[tuple[str, str, str, str], list[int]] = {}
    for name, (shape, kind) in told["tensors"].items():
        if name in told["dropped"]:
            continue
        fate = told["used"].get(name, "")
        number = re.search(r"(?<=\.)\d+(?=\.)", name)
        pattern = name if number is None else f"{name[: number.start()]}*{name[number.end() :]}"
        fate = re.sub(r"(?<=blocks\.)\d+(?=\.)", "*", fate)
        groups.setdefault((pattern, " x ".join(map(str, shape)) or "()", kind, fate), []).append(
            int(number[0]) if number else 0
        )
    rows = []
    for (pattern, shape, kind, fate), numbers in groups.items():
        span = f"{{{numbers[0]}-{numbers[-1]}}}" if numbers[1:] else str(numbers[0])
        rows.append((pattern.replace("*", span), shape, kind, fate))
    return rows
