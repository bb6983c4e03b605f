"""A folder with what a model says of files: one JSON file, pictures, and masks or parts for other programs."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from crosspath.checkpoints.load import Checkpoint
from crosspath.files import replacing_files, write_json
from crosspath.locks import claim_new
from crosspath.objectives import objective_of
from crosspath.objectives.drawing import Answer

PREDICTIONS = "predictions.json"


def write_predictions(
    out: Path, source: Checkpoint, answers: Iterable[tuple[dict[str, Any], Answer]]
) -> list[dict[str, Any]]:
    """Write a picture of each file, named after it, its mask or parts, and all predictions in `predictions.json`.

    Returns the predictions, with the names of the files written in "written". Files of one name get numbers. The folder
    holds all of it or, after an error, nothing.
    """
    drawing, entries = objective_of(source.recipe).drawing, []
    names: set[str] = set()
    with claim_new(out, "--out"), replacing_files(out) as folder:
        for entry, answer in answers:
            files: list[str] = []
            if drawing is not None and (drawing.sample is not None or drawing.files is not None):
                contents = {} if drawing.files is None else drawing.files(source.recipe, answer, source.classes)
                name = free_name(answer.name, names, (".png", *contents))
                for suffix, content in contents.items():
                    (folder / f"{name}{suffix}").write_bytes(content)
                    files.append(f"{name}{suffix}")
                if drawing.sample is not None:
                    drawing.sample(source.recipe, answer, source.classes).save(folder / f"{name}.png")
                    files.append(f"{name}.png")
            entries.append({**entry, **({"written": files} if files else {})})
        write_json(folder / PREDICTIONS, {"classes": list(source.classes), "files": entries})
    return entries


def free_name(file: str, names: set[str], suffixes: Sequence[str]) -> str:
    """The name of a file without folder and suffix, with a number where one of what is written under it, `suffixes`
    after it, is among `names`, which then have it: the picture of `a.mask.png` is called like the mask of `a.png`.
    """
    stem = Path(file).stem or "sample"
    name, number = stem, 1
    while names & {f"{name}{suffix}".lower() for suffix in suffixes}:
        number += 1
        name = f"{stem}-{number}"
    names.update(f"{name}{suffix}".lower() for suffix in suffixes)
    return name
