"""A merged model beside a plain one: the operators that it runs, and its time in three runtimes."""

import copy
import tempfile
from collections.abc import Callable
from pathlib import Path

import timm
import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

import crosspath
from benchmarks.tables import Cell, Table
from benchmarks.timing import interleave, median_with_interval, ratio, timer

Forward = Callable[[], object]


def models_of(name: str) -> dict[str, nn.Module]:
    """The plain model, a connected one and the same merged, in evaluation mode."""
    torch.manual_seed(0)
    plain, auxiliary = timm.create_model(name).eval(), timm.create_model(name)
    with_pathways = copy.deepcopy(plain)
    crosspath.connect(with_pathways, auxiliary, scale_init=0.1)
    merged = copy.deepcopy(with_pathways)
    crosspath.merge(merged)
    return {"plain": plain, "merged": merged, "connected": with_pathways}


def profiled_operators(model: nn.Module, images: Tensor) -> list[str]:
    """What a forward pass runs, in order, as the profiler of torch sees it."""
    with torch.no_grad(), profile(activities=[ProfilerActivity.CPU]) as profiler:
        model(images)
    events = sorted(profiler.events(), key=lambda event: event.time_range.start)
    return [event.name for event in events if event.name.startswith("aten::")]


def exported_operators(program: torch.export.ExportedProgram) -> list[str]:
    """What an exported model runs, in order."""
    return [str(node.target) for node in program.graph.nodes if node.op == "call_function"]


def session(model: nn.Module, images: Tensor, folder: Path) -> tuple[Forward, list[str]]:
    """A forward pass in ONNX Runtime on one thread, and the operators of the file."""
    import onnx
    import onnxruntime

    file = folder / "model.onnx"
    torch.onnx.export(model, (images,), file, dynamo=True, verbose=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    runtime = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    feed = {runtime.get_inputs()[0].name: images.numpy()}
    operators = [node.op_type for node in onnx.load(file, load_external_data=False).graph.node]
    return lambda: runtime.run(None, feed), operators


def inference_tables(*, short: bool) -> list[Table]:
    """Operators and times of plain, merged and connected models."""
    label, name = ("ViT-S", "vit_small_patch16_224") if short else ("ViT-B", "vit_base_patch16_224")
    rounds, images = (11, torch.randn(1, 3, 224, 224)) if short else (31, torch.randn(1, 3, 224, 224))
    forwards: dict[tuple[str, str], Forward] = {}
    operators: dict[tuple[str, str], list[str]] = {}
    for variant, model in models_of(name).items():
        forwards["torch", variant] = lambda model=model: model(images)  # type: ignore[misc]
        operators["torch (profiler)", variant] = profiled_operators(model, images)
        if variant == "connected":
            continue
        program = torch.export.export(model, (images,))
        module = program.module()
        forwards["torch.export", variant] = lambda module=module: module(images)  # type: ignore[misc]
        operators["torch.export", variant] = exported_operators(program)
        with tempfile.TemporaryDirectory() as folder:
            forwards["ONNX Runtime", variant], operators["ONNX Runtime", variant] = session(model, images, Path(folder))
    with torch.no_grad():
        seconds = interleave({key: timer(forward) for key, forward in forwards.items()}, rounds, warm=2)
    times: list[tuple[Cell, ...]] = [
        (
            runtime,
            variant,
            median_with_interval([1e3 * value for value in values]),
            ratio(values, seconds[runtime, "plain"]),
        )
        for (runtime, variant), values in seconds.items()
    ]
    same: list[tuple[Cell, ...]] = [
        (runtime, variant, len(names), "yes" if names == operators[runtime, "plain"] else "no")
        for (runtime, variant), names in operators.items()
    ]
    about = f"{label} of timm, float32, a batch of one image, {rounds} rounds."
    return [
        Table(f"Inference, {label}", ("runtime", "variant", "ms", "/ plain"), tuple(times), (about,)),
        Table(f"Operators of a forward pass, {label}", ("runtime", "variant", "count", "the plain list"), tuple(same)),
    ]
