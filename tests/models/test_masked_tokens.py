"""The masked token model: what the encoder sees of a hidden place, what is answered, what learns."""

import pytest
import torch
from torch import Tensor

from crosspath.config import Recipe, apply_overrides
from crosspath.models import MaskedTokens, build_masked_autoencoder, build_masked_model, build_model
from crosspath.pathway import match
from crosspath.recipes import recipe_named

SMALL = ("data.kinds=5", "data.length=16", "data.train_samples=48", "train.batch_size=12", "train.epochs=2")


def dyck_recipe(*overrides: str) -> Recipe:
    """Sixteen tokens of five kinds of brackets, four of eight closers hidden."""
    return apply_overrides(recipe_named("procedural/dyck", "masked_modeling"), (*SMALL, *overrides))


def built(*overrides: str) -> MaskedTokens:
    torch.manual_seed(0)
    model = build_masked_model(dyck_recipe(*overrides))
    assert isinstance(model, MaskedTokens)
    return model.eval()


def batch_of(count: int = 3) -> tuple[Tensor, Tensor]:
    """Token numbers, and four places of each to hide."""
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(10, (count, 16), generator=generator)
    places = torch.stack([torch.randperm(16, generator=generator)[:4].sort().values for _ in range(count)])
    return ids, places


def test_keys_are_those_of_tokenizer_encoder_mask_token_and_answer() -> None:
    state = built().state_dict()
    assert {name.partition(".")[0] for name in state} == {"tokenizer", "encoder", "mask_token", "predict"}
    assert state["predict.weight"].shape == (10, 128)
    assert state["encoder.blocks.5.mlp.fc1.weight"].shape == (512, 128)


def test_what_a_hidden_place_holds_changes_no_answer_and_everything_else_does() -> None:
    model = built()
    ids, places = batch_of()
    with torch.no_grad():
        before = model(ids, places)
        assert before.shape == (3, 4, 10)
        other = ids.scatter(1, places, (ids.gather(1, places) + 1) % 10)
        assert torch.equal(model(other, places), before)
        for place in set(range(16)) - set(places[0].tolist()):
            changed = ids.clone()
            changed[0, place] = (changed[0, place] + 1) % 10
            answers = model(changed, places)
            assert not torch.equal(answers[0], before[0])
            torch.testing.assert_close(answers[1:], before[1:])


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_answers_are_those_of_one_place_at_a_time(pooling: str) -> None:
    model = built(f"model.pooling={pooling}")
    ids, places = batch_of()
    with torch.no_grad():
        found = model(ids, places)
        for sample in range(3):
            tokens, positions, _ = model.tokenizer(ids[sample : sample + 1])
            tokens = tokens.clone()
            for place in places[sample].tolist():
                tokens[0, place] = model.mask_token[0, 0]
            features = model.encoder(type(model.tokenizer(ids))(tokens, positions))[0]
            features = features[1:] if pooling == "cls" else features
            for number, place in enumerate(places[sample].tolist()):
                torch.testing.assert_close(found[sample, number], model.predict(features[place]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("embedding", "learns"), [("frozen", False), ("learned", True)])
def test_beside_a_frozen_table_only_encoder_and_answer_learn(embedding: str, learns: bool) -> None:
    model = built(f"model.tokenizer.embedding={embedding}")
    model(*batch_of()).sum().backward()
    for name, parameter in model.named_parameters():
        inside = name.startswith(("encoder.", "predict."))
        assert (parameter.grad is not None) == (inside or learns), name


def test_a_target_of_the_same_size_pairs_completely() -> None:
    report = match(build_model(recipe_named("image/cifar10"), 10), built())
    assert not report.mismatches
    assert len(report.pairs) == 6 * len(("query", "key", "value", "attention_output", "mlp_in", "mlp_out"))


def test_other_modalities_still_get_an_autoencoder() -> None:
    recipe = recipe_named("image/digits", "masked_modeling")
    with torch.device("meta"):
        assert type(build_masked_model(recipe)) is type(build_masked_autoencoder(recipe))
