"""Tokens, padding and post-norm blocks compute what BERT does, with its weights under this library's names."""

import torch
from torch import Tensor

from crosspath.data.vocabulary import PADDING
from crosspath.models import Encoder
from crosspath.tokenizers import TextTokenizer

WIDTH, DEPTH, HEADS, LENGTH, VOCABULARY = 24, 2, 3, 12, 40


def weights_of(bert: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Those of tokenizer and encoder."""
    tokenizer = {
        "embedding.weight": bert["embeddings.word_embeddings.weight"],
        "positions": bert["embeddings.position_embeddings.weight"][None],
        "token_type": bert["embeddings.token_type_embeddings.weight"][:1, None],
    }
    encoder = {}
    names = {"attention.output.dense": "attn.proj", "attention.output.LayerNorm": "norm1"}
    names |= {"intermediate.dense": "mlp.fc1", "output.dense": "mlp.fc2", "output.LayerNorm": "norm2"}
    for part in ("weight", "bias"):
        encoder[f"norm_pre.{part}"] = bert[f"embeddings.LayerNorm.{part}"]
        for block in range(DEPTH):
            before = f"encoder.layer.{block}"
            attention = [bert[f"{before}.attention.self.{name}.{part}"] for name in ("query", "key", "value")]
            encoder[f"blocks.{block}.attn.qkv.{part}"] = torch.cat(attention)
            encoder |= {f"blocks.{block}.{own}.{part}": bert[f"{before}.{name}.{part}"] for name, own in names.items()}
    return tokenizer, encoder


def test_features_are_those_of_transformers_at_every_length() -> None:
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        num_hidden_layers=DEPTH,
        num_attention_heads=HEADS,
        intermediate_size=30,
        max_position_embeddings=LENGTH,
    )
    bert = BertModel(config, add_pooling_layer=False).eval()
    for parameter in bert.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    options = {"mlp_width": 30, "norm_eps": config.layer_norm_eps, "post_norm": True, "embedding_norm": True}
    encoder = Encoder(WIDTH, DEPTH, HEADS, **options).eval()  # type: ignore[arg-type]
    tokenizer = TextTokenizer(VOCABULARY, LENGTH, WIDTH, positions="learned", token_type=True, padded=True)
    for module, weights in zip((tokenizer, encoder), weights_of(bert.state_dict()), strict=True):
        module.load_state_dict(weights, strict=True)
    ids = torch.randint(VOCABULARY, (3, LENGTH))
    real = torch.arange(LENGTH) < torch.tensor([12, 7, 1])[:, None]
    with torch.no_grad():
        expected = bert(input_ids=ids.masked_fill(~real, 0), attention_mask=real.long()).last_hidden_state
        ours = encoder(tokenizer(ids.masked_fill(~real, PADDING)))
    torch.testing.assert_close(ours[real], expected[real], rtol=0, atol=1e-5)
