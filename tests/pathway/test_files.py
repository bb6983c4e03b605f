"""Saving and loading a connected model: plain names, exact values, references, no half-written file."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import crosspath
from crosspath.files import tensors
from tests.errors import refused
from tests.pathway.small_models import WIDTH, Body, randomise


def connect_body(**options: object) -> tuple[Body, Body]:
    torch.manual_seed(0)
    target, auxiliary = Body(), Body()
    randomise(target), randomise(auxiliary)
    handle = crosspath.connect(target, {"audio": auxiliary}, **options)
    with torch.no_grad():
        for scale in handle.scales().values():
            scale.uniform_(-1, 1)
    return target, auxiliary


def tokens() -> Tensor:
    return torch.randn(2, 5, WIDTH, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"bias": True},
        {"scale_per": "head"},
        {"scale_per": "channel", "roles": {"query", "value", "mlp_out"}},
        {"scale_per": "role", "train_scale": False},
    ],
)
def test_round_trip_is_exact(tmp_path: Path, options: dict[str, object]) -> None:
    target, _ = connect_body(**options)
    crosspath.save_pathway(target, tmp_path)
    again = Body()
    handle = crosspath.load_pathway(again, tmp_path)
    assert torch.equal(again(tokens()), target(tokens()))
    assert list(again.state_dict()) == list(target.state_dict())
    for (name, ours), (other, theirs) in zip(again.named_parameters(), target.named_parameters(), strict=True):
        assert (name, ours.requires_grad) == (other, theirs.requires_grad)
    assert handle.names == ("audio",)
    assert handle.origins["audio"].description == "Body"
    assert str(handle.status()) == str(crosspath.status(target))
    crosspath.merge(again)


def test_the_target_file_is_the_plain_target(tmp_path: Path) -> None:
    target, _ = connect_body()
    crosspath.save_pathway(target, tmp_path)
    Body().load_state_dict(load_file(tmp_path / "model.safetensors"), strict=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "model.safetensors",
        "pathway.json",
        "pathway.safetensors",
    ]
    description = json.loads((tmp_path / "pathway.json").read_text())
    assert description["format_version"] == 1
    assert description["auxiliaries"]["audio"]["options"]["scale_per"] == "layer"


def test_a_bias_shares_the_scale_of_its_weight_after_loading(tmp_path: Path) -> None:
    target, _ = connect_body(bias=True)
    crosspath.save_pathway(target, tmp_path)
    again = Body()
    handle = crosspath.load_pathway(again, tmp_path)
    assert len(handle.scales()) == 8
    layer = again.blocks[0].attn.qkv.parametrizations
    assert layer.bias[0].scale("audio") is layer.weight[0].scale("audio")
    assert not layer.bias[0].scales


def test_a_frozen_auxiliary_is_saved_by_reference(tmp_path: Path) -> None:
    target, auxiliary = connect_body(train_auxiliary=False)
    crosspath.save_pathway(target, tmp_path)
    assert (tmp_path / "pathway.safetensors").stat().st_size < 2048
    with refused("audio", "found none", "auxiliary=", kind=crosspath.PathwayError):
        crosspath.load_pathway(Body(), tmp_path)
    for source in (auxiliary, auxiliary.state_dict(), {"audio": auxiliary}):
        again = Body()
        crosspath.load_pathway(again, tmp_path, source)
        assert torch.equal(again(tokens()), target(tokens()))
    with refused("", "frozen", "auxiliary", kind=crosspath.PathwayError):
        crosspath.load_pathway(Body(), tmp_path, Body())
    with refused("auxiliary", "'audi'", "audio", kind=crosspath.PathwayError):
        crosspath.load_pathway(Body(), tmp_path, {"audi": auxiliary})


def test_an_auxiliary_is_named_where_there_are_several_and_by_a_name_that_is_there(tmp_path: Path) -> None:
    target, auxiliary = connect_body()
    crosspath.save_pathway(target, tmp_path / "one")
    again = Body()
    # The folder has its values: they are those that count.
    crosspath.load_pathway(again, tmp_path / "one", {"audio": Body()})
    assert torch.equal(again(tokens()), target(tokens()))
    crosspath.connect(target, {"video": Body()})
    crosspath.save_pathway(target, tmp_path / "two")
    with refused("auxiliary", "audio, video", kind=crosspath.PathwayError):
        crosspath.load_pathway(Body(), tmp_path / "two", auxiliary)
    with refused("auxiliary", "'film'", "audio, video", kind=crosspath.PathwayError):
        crosspath.load_pathway(Body(), tmp_path / "two", {"film": auxiliary})


def test_a_frozen_auxiliary_is_read_from_its_file_again(tmp_path: Path) -> None:
    torch.manual_seed(0)
    half = {name: value.half() for name, value in Body().state_dict().items()}
    save_file(half, tmp_path / "audio.safetensors")
    target = Body()
    crosspath.connect(target, tmp_path / "audio.safetensors", train_auxiliary=False, scale_init=0.5)
    crosspath.save_pathway(target, tmp_path / "run")
    again = Body()
    crosspath.load_pathway(again, tmp_path / "run")
    assert torch.equal(again(tokens()), target(tokens()))
    origin = crosspath.pathways(again).origins["auxiliary"]
    assert origin.sha256 is not None
    (tmp_path / "audio.safetensors").unlink()
    with refused("auxiliary", "audio.safetensors", kind=crosspath.PathwayError):
        crosspath.load_pathway(Body(), tmp_path / "run")


def test_a_frozen_auxiliary_that_changed_is_stored(tmp_path: Path) -> None:
    target, _ = connect_body(train_auxiliary=False)
    with torch.no_grad():
        next(iter(crosspath.pathways(target).auxiliaries().values())).add_(1.0)
    crosspath.save_pathway(target, tmp_path)
    again = Body()
    crosspath.load_pathway(again, tmp_path)
    assert torch.equal(again(tokens()), target(tokens()))


def test_a_meta_target_is_filled(tmp_path: Path) -> None:
    target, _ = connect_body()
    crosspath.save_pathway(target, tmp_path)
    with torch.device("meta"):
        again, auxiliary = Body(), Body()
    crosspath.connect(again, auxiliary)
    crosspath.load_pathway(again, tmp_path)
    assert torch.equal(again(tokens()), target(tokens()))
    crosspath.merge(again)


def test_loading_into_a_connected_target_replaces_its_pathways(tmp_path: Path) -> None:
    target, _ = connect_body()
    crosspath.save_pathway(target, tmp_path)
    again = Body()
    crosspath.connect(again, {"audio": Body()}, scale_init=0.9)
    crosspath.load_pathway(again, tmp_path)
    assert torch.equal(again(tokens()), target(tokens()))


def test_dtype_of_the_new_target_is_followed(tmp_path: Path) -> None:
    target, _ = connect_body()
    crosspath.save_pathway(target, tmp_path)
    again = Body().double()
    crosspath.load_pathway(again, tmp_path)
    torch.testing.assert_close(again(tokens().double()).float(), target(tokens()), rtol=1e-4, atol=1e-4)


def test_a_narrower_target_is_refused_where_a_stored_auxiliary_becomes_infinite(tmp_path: Path) -> None:
    target, auxiliary = Body(), Body()
    with torch.no_grad():
        auxiliary.blocks[0].attn.proj.weight[0, 0] = 1e6
    crosspath.connect(target, auxiliary)
    crosspath.save_pathway(target, tmp_path / "saved")
    narrow = Body().half()
    before = {name: value.clone() for name, value in narrow.state_dict().items()}
    with refused("blocks.0.attn.proj.weight", "float16", kind=crosspath.PathwayError):
        crosspath.load_pathway(narrow, tmp_path / "saved")
    assert all(torch.equal(value, before[name]) for name, value in narrow.state_dict().items())


@pytest.mark.parametrize(
    ("file", "fault"),
    [
        ("pathway.json", lambda path: path.unlink()),
        ("pathway.json", lambda path: path.write_text("[]")),
        ("pathway.json", lambda path: path.write_text('{"format_version": 99}')),
        ("pathway.safetensors", lambda path: path.write_bytes(b"12")),
        ("model.safetensors", lambda path: path.unlink()),
    ],
)
def test_damaged_folders_leave_the_target_untouched(tmp_path: Path, file: str, fault: Callable[[Path], object]) -> None:
    target, _ = connect_body()
    crosspath.save_pathway(target, tmp_path)
    fault(tmp_path / file)
    again = Body()
    before = {name: value.clone() for name, value in again.state_dict().items()}
    with pytest.raises(crosspath.PathwayError) as error:
        crosspath.load_pathway(again, tmp_path)
    assert error.value.where == str(tmp_path / file)
    assert all(torch.equal(value, before[name]) for name, value in again.state_dict().items())


def test_values_that_were_altered_are_noticed(tmp_path: Path) -> None:
    target, _ = connect_body()
    crosspath.save_pathway(target, tmp_path)
    tensors = load_file(tmp_path / "pathway.safetensors")
    name = next(name for name in tensors if name.endswith("auxiliary"))
    tensors[name] = tensors[name] + 1
    save_file(tensors, tmp_path / "pathway.safetensors")
    with refused("pathway.safetensors", "auxiliary", "audio", kind=crosspath.PathwayError):
        crosspath.load_pathway(Body(), tmp_path)


def test_another_target_is_refused(tmp_path: Path) -> None:
    target, _ = connect_body()
    crosspath.save_pathway(target, tmp_path)
    with refused("", "blocks.2.norm1.weight", kind=crosspath.PathwayError):
        crosspath.load_pathway(Body(depth=3), tmp_path)


def test_an_interrupted_save_leaves_the_old_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, _ = connect_body()
    crosspath.save_pathway(target, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def fail_to_save(tensors: object, path: str, metadata: object) -> None:
        Path(path).write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(tensors, "save_file", fail_to_save)
    with refused("", "disk", kind=crosspath.PathwayError):
        crosspath.save_pathway(target, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_description_that_cannot_be_written_leaves_the_old_files(tmp_path: Path) -> None:
    target, _ = connect_body()
    crosspath.save_pathway(target, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    handle = crosspath.pathways(target)
    with torch.no_grad():
        handle.scales()["blocks.0.mlp.fc1.weight", "audio"].add_(1)
    handle.origins["audio"].options["scale_init"] = object()  # type: ignore[index]
    with pytest.raises(TypeError):
        crosspath.save_pathway(target, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_module_used_twice_round_trips(tmp_path: Path) -> None:
    def build() -> nn.Module:
        layer = nn.Linear(4, 4)
        return nn.ModuleDict({"a": layer, "b": layer})

    target = build()
    crosspath.connect(target, nn.ModuleDict({"a": nn.Linear(4, 4)}), names=["a.weight"], scale_init=0.5)
    crosspath.save_pathway(target, tmp_path)
    again = build()
    crosspath.load_pathway(again, tmp_path)
    assert torch.equal(again["b"].weight, target["a"].weight)


def test_another_librarys_parametrization_elsewhere_round_trips(tmp_path: Path) -> None:
    def build() -> nn.Module:
        return nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(4, 4)), nn.Linear(4, 4))

    target, inputs = build(), torch.randn(2, 4)
    crosspath.connect(target, build(), names=["1.weight"], scale_init=0.5)
    crosspath.save_pathway(target, tmp_path)
    again = build()
    crosspath.load_pathway(again, tmp_path)
    assert torch.equal(again(inputs), target(inputs))


def test_a_meta_target_keeps_its_type(tmp_path: Path) -> None:
    target, _ = connect_body()
    crosspath.save_pathway(target, tmp_path)
    with torch.device("meta"):
        again = Body().bfloat16()
    crosspath.load_pathway(again, tmp_path)
    assert {parameter.dtype for parameter in again.parameters()} == {torch.bfloat16}


class TiedBody(Body):
    def __init__(self) -> None:
        super().__init__()
        self.words, self.head = nn.Embedding(5, WIDTH), nn.Linear(WIDTH, 5, bias=False)
        self.head.weight = self.words.weight
        self.words.requires_grad_(False)
        self.register_buffer("places", torch.arange(3), persistent=False)


def test_a_meta_target_keeps_what_it_shares_and_is_refused_with_a_buffer_that_no_file_has(tmp_path: Path) -> None:
    target = TiedBody()
    crosspath.connect(target, Body(), scale_init=0.1)
    crosspath.save_pathway(target, tmp_path)
    with torch.device("meta"):
        again = TiedBody()
    with refused("places", "set this buffer first", kind=crosspath.PathwayError):
        crosspath.load_pathway(again, tmp_path)
    assert all(parameter.is_meta for parameter in again.parameters())
    again.places = torch.arange(3)
    crosspath.load_pathway(again, tmp_path)
    assert again.head.weight is again.words.weight
    assert not again.head.weight.requires_grad
    assert torch.equal(again.head.weight, target.head.weight)
    assert torch.equal(again(tokens()), target(tokens()))


@pytest.mark.parametrize("file", ["model.safetensors", "pathway.safetensors"])
def test_files_of_two_saves_are_not_mixed(tmp_path: Path, file: str) -> None:
    target, _ = connect_body()
    crosspath.save_pathway(target, tmp_path)
    tensors = load_file(tmp_path / file)
    name = next(name for name in tensors if name.endswith(("scale", "norm1.weight")))
    save_file(tensors | {name: tensors[name] + 1}, tmp_path / file)
    with pytest.raises(crosspath.PathwayError, match=f"{file}: expected the values saved beside"):
        crosspath.load_pathway(Body(), tmp_path)


FAULTS = (
    "no layers",
    "no trains",
    "segments",
    "scale",
    "weight",
    "no auxiliary",
    "infinity",
    "a number",
    "a list",
    "a name",
)


def faulty(description: dict[str, Any], fault: str) -> object:
    layer = description["layers"]["blocks.0.mlp.fc1.weight"]["audio"]
    if fault == "no layers":
        del description["layers"]
    elif fault == "no trains":
        del layer["trains"]
    elif fault == "segments":
        layer["segments"] = [[0, 3]]
    elif fault == "scale":
        layer["scale"] = "nowhere.audio.scale"
    elif fault == "weight":
        description["layers"]["nowhere"] = description["layers"].pop("blocks.0.mlp.fc1.weight")
    elif fault == "no auxiliary":
        del description["auxiliaries"]["audio"]
    elif fault == "infinity":
        layer["axis"] = float("inf")
    elif fault == "a number":
        layer["runs"] = 3
    elif fault == "a name":
        description["layers"]["blocks.0.mlp.fc1.weight"]["keys"] = layer
    elif fault == "a list":
        return []
    return description


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_description_leaves_the_target_untouched(tmp_path: Path, fault: str) -> None:
    target, _ = connect_body()
    crosspath.save_pathway(target, tmp_path)
    path = tmp_path / "pathway.json"
    path.write_text(json.dumps(faulty(json.loads(path.read_text()), fault)))
    again = Body()
    before = {name: value.clone() for name, value in again.state_dict().items()}
    with pytest.raises(crosspath.PathwayError):
        crosspath.load_pathway(again, tmp_path)
    assert list(again.state_dict()) == list(before)
    assert all(torch.equal(value, before[name]) for name, value in again.state_dict().items())


def test_files_are_readable_as_the_users_other_files_are(tmp_path: Path) -> None:
    target, _ = connect_body()
    crosspath.save_pathway(target, tmp_path)
    (tmp_path / "other").touch()
    assert {path.stat().st_mode for path in tmp_path.iterdir()} == {(tmp_path / "other").stat().st_mode}


def test_the_description_of_an_origin_can_be_replaced(tmp_path: Path) -> None:
    target, _ = connect_body()
    crosspath.pathways(target).describe("audio", "runs/audio", "0" * 64)
    crosspath.save_pathway(target, tmp_path)
    again = Body()
    handle = crosspath.load_pathway(again, tmp_path)
    assert handle.origins["audio"].description == "runs/audio"
    assert "audio comes from runs/audio" in str(handle.status())
