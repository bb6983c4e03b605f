"""A merged model is at home in the library it comes from: every key there, no other, and the same outputs."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from torch import nn

import crosspath
from crosspath.pathway import connect, merge

transformers = pytest.importorskip("transformers")


def vit(seed: int, **options: object) -> nn.Module:
    torch.manual_seed(seed)
    shape = {"img_size": 32, "patch_size": 8, "embed_dim": 64, "depth": 2, "num_heads": 2, "num_classes": 5}
    return timm.create_model("vit_tiny_patch16_224", **(shape | options)).eval()


def moved(model: nn.Module, auxiliary: nn.Module, **options: Any) -> None:
    """Connect with scales that all differ."""
    handle = connect(model, {"aux": auxiliary}, **options)
    with torch.no_grad():
        for index, scale in enumerate(handle.scales().values()):
            scale.fill_(0.1 + 0.01 * index)


def test_a_merged_timm_model_loads_strictly_in_plain_timm(tmp_path: Path) -> None:
    model, images = vit(0), torch.randn(2, 3, 32, 32)
    before = model(images)
    moved(model, vit(1))
    connected = model(images)
    assert not torch.equal(connected, before)
    merge(model)
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    plain = vit(2)
    plain.load_state_dict(load_file(tmp_path / "model.safetensors"), strict=True)
    assert torch.equal(plain(images), connected)
    shape = {"img_size": 32, "patch_size": 8, "embed_dim": 64, "depth": 2, "num_heads": 2, "num_classes": 5}
    checkpoint = str(tmp_path / "model.safetensors")
    made = timm.create_model("vit_tiny_patch16_224", checkpoint_path=checkpoint, **shape).eval()
    assert torch.equal(made(images), connected)


def test_a_merged_timm_model_goes_through_timm_s_own_hub_format(tmp_path: Path) -> None:
    model, images = vit(0), torch.randn(2, 3, 32, 32)
    moved(model, vit(1))
    connected = model(images)
    merge(model)
    shape = {"img_size": 32, "patch_size": 8, "embed_dim": 64, "depth": 2, "num_heads": 2}
    timm.models.save_for_hf(model, tmp_path, model_args=shape, safe_serialization=True)
    assert torch.equal(timm.create_model(f"local-dir:{tmp_path}", pretrained=True).eval()(images), connected)


def test_a_connected_timm_model_does_not_pass_for_a_plain_one(tmp_path: Path) -> None:
    model = vit(0)
    moved(model, vit(1))
    with pytest.raises(RuntimeError, match="parametrizations"):
        vit(2).load_state_dict(model.state_dict(), strict=True)
    crosspath.save_pathway(model, tmp_path)
    plain = vit(2)
    plain.load_state_dict(load_file(tmp_path / "model.safetensors"), strict=True)  # the target alone


TINY: dict[str, Any] = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 256,
}


def image_vit() -> tuple[nn.Module, dict[str, torch.Tensor]]:
    config = transformers.ViTConfig(**TINY, image_size=32, patch_size=8, num_labels=5)
    return transformers.ViTForImageClassification(config), {"pixel_values": torch.randn(2, 3, 32, 32)}


def bert() -> tuple[nn.Module, dict[str, torch.Tensor]]:
    config = transformers.BertConfig(**TINY, vocab_size=50, num_labels=3)
    return transformers.BertForSequenceClassification(config), {"input_ids": torch.randint(0, 50, (2, 7))}


def sound() -> tuple[nn.Module, dict[str, torch.Tensor]]:
    config = transformers.ASTConfig(**TINY, patch_size=8, num_mel_bins=32, max_length=64, num_labels=3)
    return transformers.ASTForAudioClassification(config), {"input_values": torch.randn(2, 64, 32)}


def speech() -> tuple[nn.Module, dict[str, torch.Tensor]]:
    """With a parametrization of its own: weight normalisation of the position convolution."""
    config = transformers.Wav2Vec2Config(
        **TINY, conv_dim=[32, 32], conv_stride=[5, 2], conv_kernel=[10, 3], num_feat_extract_layers=2,
        num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4, vocab_size=20, mask_time_prob=0.0,
    )  # fmt: skip
    return transformers.Wav2Vec2ForSequenceClassification(config), {"input_values": torch.randn(2, 800)}


def linears(model: nn.Module) -> Iterator[str]:
    """The weights of the two MLP layers and the attention projections of every block, by shape and place."""
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and ".layer" in name and module.in_features in (64, 256):
            yield f"{name}.weight"


@pytest.mark.parametrize("build", [image_vit, bert, sound, speech])
def test_a_merged_transformers_model_loads_with_no_key_missing_or_unexpected(
    build: Callable[[], tuple[nn.Module, dict[str, torch.Tensor]]], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    model, inputs = build()
    model.eval()
    auxiliary = build()[0]
    names = list(linears(model))
    assert len(names) == 2 * 6  # q, k, v, the attention's output and two of the MLP in two blocks
    with torch.no_grad():
        before = model(**inputs).logits
        moved(model, auxiliary, names=names)
        connected = model(**inputs).logits
        assert not torch.equal(connected, before)
        merge(model)
        model.save_pretrained(tmp_path)
        back, info = type(model).from_pretrained(tmp_path, output_loading_info=True)
        assert not any(info[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
        assert torch.equal(back.eval()(**inputs).logits, connected)


def test_a_merged_tied_model_keeps_its_tie(tmp_path: Path) -> None:
    """GPT-2: input and output embeddings are one tensor, and its projections are transposed."""
    torch.manual_seed(0)
    config = transformers.GPT2Config(vocab_size=50, n_positions=16, n_embd=64, n_layer=2, n_head=2)
    model, auxiliary = transformers.GPT2LMHeadModel(config).eval(), transformers.GPT2LMHeadModel(config)
    words = torch.randint(0, 50, (2, 7))
    moved(model, auxiliary, names=r"\.h\.\d\.(attn|mlp)\..*weight")
    with torch.no_grad():
        connected = model(words).logits
        merge(model)
        model.save_pretrained(tmp_path)
        back, info = type(model).from_pretrained(tmp_path, output_loading_info=True)
        assert not any(info[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
        assert torch.equal(back.eval()(words).logits, connected)
    assert back.lm_head.weight is back.transformer.wte.weight
