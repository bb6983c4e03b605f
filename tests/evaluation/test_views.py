"""Test protocols of several views: videos by clips and crops, point clouds by votes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from crosspath.config import Recipe, apply_overrides
from crosspath.data.examples import Examples
from crosspath.data.streaming.samples import StreamedSamples
from crosspath.data.views.point_resampling import training_cloud
from crosspath.evaluation.devices import Compute
from crosspath.evaluation.held_out import predict_logits
from crosspath.modalities.batches import augment_inputs, prepare
from crosspath.modalities.load import load_data
from crosspath.modalities.point import VOTE_SEED, number_of
from crosspath.recipes import recipe_named
from tests.data.published_video import write_kinetics
from tests.errors import refused

CPU = Compute(device=torch.device("cpu"), precision="float32", reason="test")


class Probe(nn.Module):
    """Logits that depend on the input in a way that no average undoes."""

    def forward(self, batch: Tensor) -> Tensor:
        flat = batch.flatten(1)
        return torch.stack([flat.mean(1) * 5, flat.std(1) * 3, flat[:, ::7].abs().mean(1) * 4], dim=1)


def video(segments: int, crops: int) -> Recipe:
    sizes = ("data.frames=4", "data.image_size=16", "data.resize=16", "data.frame_step=2", "data.classes=null")
    views = (f"evaluate.segments={segments}", f"evaluate.crops={crops}", "evaluate.batch_size=5")
    return apply_overrides(recipe_named("video/k400"), [*sizes, *views])


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("clips")
    write_kinetics(root, train=4, val=3, frames=30)
    return root


@pytest.mark.parametrize(("segments", "crops"), [(5, 3), (1, 3), (2, 1)])
def test_a_video_has_the_mean_probability_of_its_clips_and_crops(segments: int, crops: int, clips: Path) -> None:
    recipe = video(segments, crops)
    examples = load_data(recipe.data, clips, 0).test
    found = predict_logits(Probe(), recipe, examples, CPU, protocol=True)
    assert isinstance(examples.inputs, StreamedSamples)
    for row in range(len(examples)):
        views = examples.inputs.reader.views(examples.inputs.items[row], segments, crops)  # type: ignore[attr-defined]
        assert len(views) == segments * crops
        probabilities = Probe()(prepare(recipe.data, views, CPU.device)).double().softmax(1).mean(0)
        torch.testing.assert_close(found[row].double().exp(), probabilities, rtol=1e-5, atol=1e-7)
    # Log-probabilities: exactly normalised, so that loss and accuracies mean what they say.
    torch.testing.assert_close(found.double().exp().sum(1), torch.ones(len(examples), dtype=torch.float64))


def test_fault_one_segment_or_one_crop_divides_by_zero(clips: Path) -> None:
    recipe = video(1, 1)
    examples = load_data(recipe.data, clips, 0).test
    found = predict_logits(Probe(), recipe, examples, CPU, protocol=True)
    assert found.shape == (6, 3)
    assert torch.isfinite(found).all()


def test_choices_on_the_way_look_once(clips: Path) -> None:
    recipe = video(5, 3)
    examples = load_data(recipe.data, clips, 0).validation
    plain = predict_logits(Probe(), recipe, examples, CPU)
    one = prepare(recipe.data, examples.inputs[np.arange(len(examples))], CPU.device)
    torch.testing.assert_close(plain, Probe()(one))


def test_views_of_decoded_clips_are_refused_before_anything_runs() -> None:
    with refused("recipe", "evaluate.segments", "evaluate.crops", "data.stream=true"):
        apply_overrides(recipe_named("video/grid"), ["evaluate.segments=2"])


def test_fault_best_of_many_votes() -> None:
    """A fixed number of votes, their mean, the same every time: published is the best of 299 repetitions."""
    settings = ["data.points=16", "data.stored_points=40", "evaluate.votes=4", "evaluate.batch_size=2"]
    recipe = apply_overrides(recipe_named("point/modelnet40"), settings)
    clouds = np.random.default_rng(0).standard_normal((5, 40, 3)).astype(np.float32)
    examples = Examples(clouds, np.zeros(5, np.int64), tuple("abcde"))
    found = predict_logits(Probe(), recipe, examples, CPU, protocol=True)
    assert torch.equal(found, predict_logits(Probe(), recipe, examples, CPU, protocol=True))
    ids = torch.tensor([number_of(name) for name in "abcde"])
    votes = []
    for vote in range(4):
        drawn = training_cloud(torch.from_numpy(clouds), 16, "farthest", VOTE_SEED, vote, ids)
        votes.append(Probe()(augment_inputs(recipe.augment, recipe.data, drawn, VOTE_SEED, vote, ids)).double())
    torch.testing.assert_close(found.double(), torch.stack(votes).mean(0), rtol=1e-5, atol=1e-6)
    assert len({tuple(vote.flatten().tolist()) for vote in votes}) == 4
    part = Examples(clouds[3:], examples.labels[3:], examples.ids[3:])
    torch.testing.assert_close(predict_logits(Probe(), recipe, part, CPU, protocol=True), found[3:])
    once = predict_logits(Probe(), recipe, examples, CPU)
    assert not torch.allclose(once, found)
