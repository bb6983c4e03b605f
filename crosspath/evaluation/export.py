"""Export: a checkpoint as an ONNX or torch.export file, compared with the model it came from."""

import json
import warnings
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torch.export import ExportedProgram

from crosspath.checkpoints.equality import compare_outputs
from crosspath.checkpoints.load import Checkpoint, load_checkpoint
from crosspath.checkpoints.sharing.card import strip_recipe_paths
from crosspath.config import Recipe
from crosspath.errors import InputError
from crosspath.evaluation.exportable import (
    OUTPUT,
    PLAIN,
    Exportable,
    any_batch,
    describe_input,
    generated_samples,
    input_names,
    require_export,
    trace,
)
from crosspath.evaluation.predict import require_classifier
from crosspath.evaluation.timm_format import describe_timm_input, timm_arguments, write_timm
from crosspath.files import new_folder, replacing_files
from crosspath.locks import claim_file, claim_new
from crosspath.objectives import objective_of
from crosspath.pathway import merge, pathways

Format = Literal["onnx", "torch", "timm"]
SUFFIX: Mapping[Format, str] = {"onnx": ".onnx", "torch": ".pt2"}
"""Of the formats that are one file."""
BATCHES = (1, 2, 5)
"""Batch sizes on which outputs are compared."""
TOLERANCE = 1e-3
"""How far logits may lie apart, as a share of the largest (at least 1), and numbers, in deviations of their column.
Usual are some 1e-6."""
ROUNDING = 1e-5
"""How far numbers may lie apart beside that, as a share of the largest of their column."""
ONE_FILE = 2**30
"""Bytes of weights up to which an ONNX file holds them itself: the format ends at 2 GiB."""
PACKAGES = ("onnx", "onnxscript", "onnxruntime")

Runner = Callable[..., Tensor]


def export(
    checkpoint: str | Path,
    out: str | Path,
    *,
    format: Format | None = None,
    recipe: Recipe | None = None,
    auxiliaries: Mapping[str, str | Path] | None = None,
) -> dict[str, Any]:
    """Write a checkpoint's model as one file that other runtimes read, for any batch size; or as a folder of timm.

    The file takes samples as the data set's reader decodes them and gives logits: the normalisation is inside. A
    connected model is merged in memory first. `out` is a file (`.onnx` or `.pt2`) or a new folder, which gets
    `model.onnx` or `model.pt2`; a `.json` of the same name beside it repeats what is returned. The written file is
    run, and its outputs are compared with the eager model's on batches of 1, 2 and 5 generated samples.

    `format="timm"` writes a new folder with `config.json` and `model.safetensors`, which
    `timm.create_model("local-dir:OUT", pretrained=True)` opens: a plain vision transformer of timm, without any code of
    this package, for samples that are normalised already. It is for models of images and of spectrograms.

    Returns `{"checkpoint", "format", "file", "recipe", "merged", "classes", "input", "output", "max_difference"}`,
    the last one {batch size: largest absolute difference of the logits}. All but `checkpoint`, `file` and
    `max_difference` are in the file's own metadata too, with the complete recipe.

    Raises
    ------
    InputError
        For a checkpoint that is no classifier or that timm cannot compute, an `out` that exists, a missing package,
        and outputs that differ.
    """
    if format == "timm":
        return _write_timm_folder(checkpoint, Path(out), recipe, auxiliaries)
    path, kind = _place(Path(out), format)
    if kind == "onnx":
        missing = [name for name in PACKAGES if find_spec(name) is None]
        if missing:
            found = f"no {', no '.join(missing)}"
            raise InputError("export --format onnx", ", ".join(PACKAGES), found, "pip install 'crosspath[export]'")
    with claim_file(path, "OUT"):
        return _write(checkpoint, path, kind, recipe, auxiliaries)


def _write(
    checkpoint: str | Path,
    path: Path,
    kind: Format,
    recipe: Recipe | None,
    auxiliaries: Mapping[str, str | Path] | None,
) -> dict[str, Any]:
    """Trace, write, run and compare."""
    source, merged = _open_merged(checkpoint, recipe, auxiliaries)
    module = Exportable(source.model, source.recipe).eval()
    description = _description(source, kind, merged)
    with replacing_files(path.parent) as temporary:
        write = _write_onnx if kind == "onnx" else _write_torch
        run = write(trace(module, source.recipe), temporary / path.name, description, source.recipe)
        result = {
            "checkpoint": str(checkpoint),
            "file": str(path),
            **description,
            "max_difference": _differences(module, run, source.recipe, path),
        }
        text = json.dumps({**result, "checkpoint": Path(checkpoint).name, "file": path.name}, indent=2)
        (temporary / path.name).with_suffix(".json").write_text(text + "\n", encoding="utf-8")
    return result


def _write_timm_folder(
    checkpoint: str | Path,
    out: Path,
    recipe: Recipe | None,
    auxiliaries: Mapping[str, str | Path] | None,
) -> dict[str, Any]:
    """Write, open with timm and compare."""
    if out.suffix[1:2].isalpha():
        raise InputError(out, "a new folder for --format timm", out.suffix, "leave the suffix out")
    new_folder(out, "OUT")
    source, merged = _open_merged(checkpoint, recipe, auxiliaries)
    arguments = timm_arguments(source)
    module = Exportable(source.model, source.recipe).eval()
    with claim_new(out, "OUT"), replacing_files(out) as temporary:
        run = write_timm(source, temporary)
        return {
            "checkpoint": str(checkpoint),
            "file": str(out),
            **_description(source, "timm", merged),
            "input": describe_timm_input(source.recipe, arguments),
            "max_difference": _differences(module, run, source.recipe, out),
        }


def _open_merged(
    checkpoint: str | Path, recipe: Recipe | None, auxiliaries: Mapping[str, str | Path] | None
) -> tuple[Checkpoint, list[str]]:
    """A classifier that can be exported, its pathways merged in memory, and their names."""
    source = load_checkpoint(checkpoint, recipe, auxiliaries)
    objective = objective_of(source.recipe)
    if not objective.exported:
        require_classifier(source, checkpoint)
        expected = "a model that gives classes or numbers"
        raise InputError(checkpoint, expected, f"a checkpoint of {objective.name}", "use `crosspath predict`")
    require_export(source.recipe)
    merged = list(pathways(source.model).names) if source.connected else []
    if source.connected:
        merge(source.model)
    if objective.before_export is not None:
        objective.before_export(source.model, source.recipe)
    return source, merged


def _place(out: Path, format: Format | None) -> tuple[Path, Format]:
    """The file to write and its format. Raises `InputError` for one that exists, or a suffix of another format."""
    suffix_format = next((name for name, suffix in SUFFIX.items() if out.suffix == suffix), None)
    kind = format or suffix_format or "onnx"
    if suffix_format is None and out.suffix[1:2].isalpha():
        todo = "give it one of those suffixes; without one, OUT is a new folder"
        raise InputError(out, " or ".join(SUFFIX.values()), out.suffix, todo)
    if suffix_format is None:
        new_folder(out, "OUT")
        return out / f"model{SUFFIX[kind]}", kind
    if suffix_format != kind:
        raise InputError(out, f"a {SUFFIX[kind]} file for --format {kind}", out.suffix, "change one of the two")
    for file in (out, out.with_suffix(".json")):
        if file.exists():
            raise InputError(file, "a new file", "one that exists", "choose another OUT")
    if not out.parent.is_dir():
        new_folder(out.parent, "OUT")
    return out, kind


def _description(checkpoint: Checkpoint, kind: Format, merged: list[str]) -> dict[str, Any]:
    objective = objective_of(checkpoint.recipe)
    meaning = "outputs" if objective.probabilities is None else "probabilities"
    return {
        "format": kind,
        "recipe": checkpoint.recipe.name,
        "merged": merged,
        "classes": list(checkpoint.classes),
        "input": describe_input(checkpoint.recipe),
        "output": {
            "name": OUTPUT,
            "type": "float32",
            "shape": ["batch", len(checkpoint.classes)],
            meaning: objective.exported,
        },
    }


def _write_onnx(program: ExportedProgram, path: Path, description: Mapping[str, Any], recipe: Recipe) -> Runner:
    import onnxruntime  # type: ignore[import-untyped]

    with warnings.catch_warnings():
        # Samples and mask share their axis, which torch remarks on.
        warnings.filterwarnings("ignore", message="# The axis name: batch")
        onnx_program = torch.onnx.export(
            program.run_decompositions(dict(PLAIN)),
            dynamo=True,
            verbose=False,
            input_names=list(input_names(recipe)),
            output_names=[OUTPUT],
            dynamic_shapes=any_batch(recipe),
        )
    assert onnx_program is not None
    for name, value in _metadata(description, recipe).items():
        onnx_program.model.metadata_props[name] = value
    size = sum(value.nbytes for value in program.state_dict.values())
    onnx_program.save(str(path), external_data=size > ONE_FILE)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = input_names(recipe)

    def run(*samples: Tensor) -> Tensor:
        feed = {name: value.numpy() for name, value in zip(names, samples, strict=True)}
        return torch.from_numpy(session.run([OUTPUT], feed)[0])

    return run


def _write_torch(program: ExportedProgram, path: Path, description: Mapping[str, Any], recipe: Recipe) -> Runner:
    # The example would be stored as a pickle, the only one in the file, and nobody needs it.
    program.example_inputs = None
    torch.export.save(program, str(path), extra_files={"crosspath.json": json.dumps(_metadata(description, recipe))})
    run: Runner = torch.export.load(str(path)).module()
    return run


def _metadata(description: Mapping[str, Any], recipe: Recipe) -> dict[str, str]:
    """The metadata inside the file: texts, JSON where there is more than a name."""
    from importlib.metadata import version

    texts = {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in description.items()
    }
    recipe_text = json.dumps(strip_recipe_paths(recipe).model_dump(mode="json"), ensure_ascii=False)
    return {**texts, "recipe_tree": recipe_text, "crosspath": version("crosspath")}


@torch.no_grad()
def _differences(module: Exportable, run: Runner, recipe: Recipe, path: Path) -> dict[str, float]:
    differences = {}
    for count in BATCHES:
        samples = generated_samples(recipe, count, seed=count)
        expected = module(*samples)
        actual = run(*samples)
        difference = compare_outputs(expected, actual).max_difference
        if not agree(expected, actual, recipe):
            found = f"a difference of {difference:.3g} on a batch of {count}"
            raise InputError(path, "outputs equal to the model's but for rounding", found, "try the other --format")
        differences[str(count)] = difference
    return differences


def agree(expected_BK: Tensor, given_BK: Tensor, recipe: Recipe) -> bool:
    """Whether the outputs of two models are the same but for rounding."""
    if expected_BK.shape != given_BK.shape:
        return False
    largest_K = expected_BK.abs().amax(dim=0)
    tolerance_K = TOLERANCE * largest_K.max().clamp(min=1.0)
    if recipe.data.label_kind == "numbers":
        tolerance_K = TOLERANCE * torch.tensor(recipe.data.target_std) + ROUNDING * largest_K
    return bool(((expected_BK - given_BK).abs() <= tolerance_K).all())
