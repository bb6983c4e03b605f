"""`crosspath inspect`."""

import re
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any

from crosspath.cli.options import Json
from crosspath.cli.output import print_json, print_line, print_table
from crosspath.counts import first_names, quantity


def inspect(file: Path, /, *, key: str | None = None, json: Json = False) -> None:
    """Show the format and the tensors of a checkpoint of another library, without executing code in it.

    Example: `crosspath inspect checkpoint-99.pth`

    Parameters
    ----------
    file
        A `.safetensors` or pickled file (`.pth`, `.pt`, `.bin`), or a folder of timm or transformers.
    key
        The entry that holds the model, such as `model_ema`; default: detected.
    """
    from crosspath.checkpoints.foreign import inspect_checkpoint

    contents = inspect_checkpoint(file, key=key)
    if json:
        print_json(contents)
        return
    values = sum(prod(shape) for shape, _ in contents["tensors"].values())
    title = f"{contents['file']}: {contents['container']}, {contents['format'] or 'unknown format'}"
    print_table(("tensor", "shape", "type", "becomes"), _grouped_rows(contents), title=title)
    print_line(
        f"{quantity(len(contents['tensors']), 'tensor')}, {quantity(values, 'value')}; sha256 {contents['sha256']}"
    )
    for line in _notes(contents):
        print_line(line)


def leftover_lines(leftovers: dict[str, str]) -> list[str]:
    """One line per reason why tensors are not used."""
    reasons: dict[str, list[str]] = {}
    for name, reason in leftovers.items():
        reasons.setdefault(reason, []).append(name)
    return [f"dropped: {first_names(names, 1)} ({reason})" for reason, names in reasons.items()]


def _notes(contents: dict[str, Any]) -> list[str]:
    lines = leftover_lines(contents["dropped"])
    pickle = contents["pickle"]
    if pickle is not None:
        if pickle["dangerous"]:
            lines.append(f"DANGEROUS pickle: loading it imports {', '.join(pickle['dangerous'])}")
        elif pickle["beyond_weights"]:
            lines.append(f"pickle: more than weights; it imports {', '.join(pickle['beyond_weights'])}")
        else:
            lines.append("pickle: weights only")
    if contents["fresh"]:
        lines.append(f"newly initialised: {', '.join(contents['fresh'])}")
    lines += contents["notes"]
    if contents["problem"]:
        lines.append(f"cannot be converted: {contents['problem']}")
    if contents["next"]:
        lines.append(f"next: {contents['next']}")
    return lines


def _grouped_rows(contents: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """The tensors that are used, with one row for the same tensor of all blocks: `blocks.{0-11}.norm1.weight`."""
    groups: dict[tuple[str, str, str, str], list[int]] = {}
    for name, (shape, kind) in contents["tensors"].items():
        if name in contents["dropped"]:
            continue
        target = contents["used"].get(name, "")
        number = re.search(r"(?<=\.)\d+(?=\.)", name)
        pattern = name
        if number is not None:
            pattern = f"{name[: number.start()]}*{name[number.end() :]}"
            target = re.sub(rf"(?<![^.]){number[0]}(?=\.)", "*", target, count=1)
        groups.setdefault((pattern, " x ".join(map(str, shape)) or "()", kind, target), []).append(
            int(number[0]) if number else 0
        )
    return [
        (pattern.replace("*", _span(sorted(numbers))), shape, kind, target)
        for (pattern, shape, kind, target), numbers in groups.items()
    ]


def _span(numbers: Sequence[int]) -> str:
    """`3`, `{0-11}`, or `{0,2,10}` where some between are missing."""
    first, last = numbers[0], numbers[-1]
    if first == last:
        return str(first)
    return f"{{{first}-{last}}}" if len(numbers) == last - first + 1 else f"{{{','.join(map(str, numbers))}}}"
