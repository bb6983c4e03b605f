"""Class names with probabilities, or numbers in their units, for files of the user's own."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from crosspath.checkpoints.load import Checkpoint, load_checkpoint
from crosspath.config import Recipe
from crosspath.errors import InputError, without_settings
from crosspath.evaluation.devices import choose_compute
from crosspath.evaluation.held_out import require_finite
from crosspath.evaluation.prediction_files import write_predictions
from crosspath.files import new_folder
from crosspath.locks import LOCK_FILES
from crosspath.modalities import modality_of
from crosspath.modalities.batches import prepare, prepare_held_out
from crosspath.modalities.load import picture_size, read_whole
from crosspath.modalities.memory import decode_with_remarks, is_in_memory
from crosspath.objectives import Objective, objective_of
from crosspath.objectives.drawing import Answer

FIRST = torch.zeros(1, dtype=torch.int64)
"""The row of a single sample."""


def predict(
    checkpoint: str | Path | Checkpoint,
    files: Sequence[Any],
    *,
    top: int | None = None,
    recipe: Recipe | None = None,
    auxiliaries: Mapping[str, str | Path] | None = None,
    out: str | Path | None = None,
    category: str | None = None,
) -> list[dict[str, Any]]:
    """The `top` most probable classes of each file (5 when not given), or its largest parts (all when not given); of a
    set with several labels a sample each has its own probability. Of a detector, the boxes: 100 at most when `top` is
    not given, the highest score first, as {"class", "score", "box"} with (x0, y0, x1, y1) in pixels of the picture
    itself.

    A text model takes texts themselves, `.txt` files, and tables with one text per row. Instead of a file's path, an
    entry may be a sample in memory, as `train` takes them (an array, a picture); X as an array of samples serves too.
    The "file" of such a one is `sample 0`, and so on.

    Returns one `{"file", "predictions": [{"class", "probability"}, ...]}` a file, most probable class first; of a
    regression `{"file", "numbers": [{"column", "value"}, ...]}`, with "unit" where the column's name says it; with
    "notes" where reading changed the sample, such as missing values that it filled. With `out`, a new or empty folder
    gets `predictions.json` and, of masks, parts and boxes, a picture of each file and the mask or parts themselves;
    their names stand in "written".

    A model of the parts of several categories of objects is told which one a file shows: by `category`, else by the
    name of the file's folder. It gives "category", and as "predictions" {"part", "points"}.

    Raises
    ------
    InputError
        For a checkpoint that cannot be read, for a missing, damaged or foreign file, and for outputs that are not
        finite.
    """
    if out is not None:
        new_folder(Path(out), "--out", beside=LOCK_FILES)
    source = checkpoint if isinstance(checkpoint, Checkpoint) else load_checkpoint(checkpoint, recipe, auxiliaries)
    objective = objective_of(source.recipe)
    if objective.predictions is None:
        raise _no_classifier(checkpoint, objective)
    if top is not None and source.recipe.data.label_kind == "numbers":
        raise InputError("--top", "none for a model of numbers, which gives each column", str(top), "leave it out")
    if category is not None and objective.outputs_by != "labels":
        raise InputError(
            "--category", "none for this model, which asks for no category", repr(category), "leave it out"
        )
    answers = _answers(source, files, top, category)
    return [entry for entry, _ in answers] if out is None else write_predictions(Path(out), source, answers)


def _answers(
    source: Checkpoint, files: Sequence[Any], top: int | None, category: str | None
) -> Iterator[tuple[dict[str, Any], Answer]]:
    """Of each file what is said of it as plain data, and the model's outputs."""
    objective, recipe, compute = objective_of(source.recipe), source.recipe, choose_compute(source.recipe)
    assert objective.predictions is not None
    model = source.model.to(compute.device).eval()
    count = objective.most if top is None else top
    # Every point or pixel of a file is asked for, also where a held-out sample has some of them.
    ready = prepare if recipe.data.annotated else prepare_held_out
    for name, sample, notes, original in _samples(source, files):
        batch = ready(recipe.data, sample[None], compute.device)
        label = _category(source, name, category) if objective.outputs_by == "labels" else None
        labels = None if label is None else torch.tensor([label], device=compute.device)
        with torch.no_grad(), compute.autocast():
            outputs = _outputs(objective, model, recipe, batch, labels)
        require_finite(outputs, source.path, name)
        one = outputs[0]
        if objective.to_picture is not None:
            one = objective.to_picture(one.cpu(), recipe, picture_size(recipe.data, original))
        predictions = objective.predictions(one, recipe, source.classes, count)
        category_of_file = {} if label is None else {"category": source.classes[label]}
        entry = {"file": name, **category_of_file, **predictions, **({"notes": list(notes)} if notes else {})}
        yield entry, Answer(name, batch[0].float().cpu().numpy, outputs[0].float().cpu().numpy())


def _category(source: Checkpoint, file: str, category: str | None) -> int:
    """The number of the category of a file's object. Raises `InputError` where nothing says which it is."""
    name = Path(file).parent.name if category is None else category
    if name in source.classes:
        return source.classes.index(name)
    if category is None and len(source.classes) == 1:
        return 0
    found = "none" if category is None else repr(category)
    todo = "name it with --category, or put the files into a folder of that name"
    raise InputError(f"the category of {file}", f"one of {', '.join(source.classes)}", found, todo)


def _outputs(objective: Objective, model: nn.Module, recipe: Recipe, batch: Tensor, labels: Tensor | None) -> Tensor:
    """What the model says of one prepared sample; of annotated samples what metrics need follows from the annotation,
    which a file does not have."""
    if recipe.data.annotated:
        assert objective.drawing is not None
        return objective.drawing.answers(model, recipe, batch, labels)
    return objective.outputs(model, recipe, batch, FIRST)


def _read(source: Checkpoint, file: Path) -> tuple[NDArray[Any], tuple[str, ...]]:
    """One file of the checkpoint's modality, and what reading did to it."""
    if not file.is_file():
        found, todo = ("a folder", "name the files in it") if file.is_dir() else ("none", "check the path")
        raise InputError(file, f"a file of {source.recipe.modality} data", found, todo)
    suffixes = modality_of(source.recipe).suffixes
    if file.suffix.lower() not in suffixes:
        found = repr(file.suffix or file.name)
        todo = f"the model reads {source.recipe.modality} data"
        raise InputError(file, f"one of {', '.join(suffixes)}", found, todo)
    return read_whole(source.recipe.data, file)


def _samples(source: Checkpoint, entries: Sequence[Any]) -> Iterator[tuple[str, NDArray[Any], tuple[str, ...], Any]]:
    """(name, sample, notes on how it was read, what was given) of everything that is given."""
    section, several = source.recipe.data, modality_of(source.recipe).samples
    for number, entry in enumerate(entries):
        with without_settings():
            if is_in_memory(entry):
                yield f"sample {number}", *decode_with_remarks(section, entry, f"sample {number}"), entry
            elif several is not None:
                yield from ((*one, entry) for one in several(section, str(entry)))
            else:
                yield str(Path(entry)), *_read(source, Path(entry)), entry


def _no_classifier(where: object, objective: Objective) -> InputError:
    todo = "fine-tune it first: crosspath train RECIPE --from CHECKPOINT"
    if objective.verb == "train":
        todo = "use `crosspath predict`, or load it in Python with crosspath.load_checkpoint"
    return InputError(where, "a classifier", f"a checkpoint of {objective.name}", todo)


def require_classifier(source: Checkpoint, where: object) -> Callable[[Tensor], Tensor]:
    """What turns its logits into probabilities. Raises `InputError` for a checkpoint that is no classifier."""
    objective = objective_of(source.recipe)
    if objective.probabilities is None:
        raise _no_classifier(where, objective)
    return objective.probabilities
