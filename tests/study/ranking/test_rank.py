"""`rank`: what its scores are, that they need no test part, and that it claims nothing where there is nothing."""

import json
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import crosspath
from crosspath.checkpoints.sources import Auxiliary
from crosspath.cli.main import main
from crosspath.config import apply_overrides
from crosspath.data.examples import DataSet, Examples
from crosspath.models import build_model
from crosspath.pathway import connect, pathways
from crosspath.recipes import recipe_named
from crosspath.study.definition import Study
from crosspath.study.plan import comparisons
from crosspath.study.ranking import measure as rank_measure
from crosspath.study.ranking.rank import _understand
from crosspath.study.ranking.scores import (
    SCORES,
    as_matrix,
    connected_triples,
    gradient_alignment,
    linear_cka,
    score_of,
    shuffle_auxiliary,
    singular_values,
    spectra,
)
from tests.checkpoints.small import audio_recipe, fresh, saved_audio
from tests.errors import refused

FEW = {"by": "gradient", "seeds": 1, "copies": 3, "batches": 1, "samples": 20, "progress": False}
SETTINGS = ("data.labels_per_class=3", "train.batch_size=16")


def auxiliary(seed: int, scale: float = 1.0) -> Auxiliary:
    model = fresh(audio_recipe(), 2, seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter *= scale
    return Auxiliary(origin=f"seed {seed}", sha256="0" * 64, weights=model)


def descent(settings: tuple[str, ...] = SETTINGS) -> Auxiliary:
    """An auxiliary whose W' is the target's own gradient, as no shuffled copy is."""
    recipe = apply_overrides(recipe_named("image/digits"), settings)
    begin = rank_measure.begin(recipe, None, None, 0, 1, 20)
    model = fresh(audio_recipe(), 2)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.startswith("encoder.blocks") and parameter.ndim == 2:
                parameter.copy_(begin.gradients[name])
    return Auxiliary(origin="gradient", sha256="0" * 64, weights=model)


@pytest.fixture(scope="module")
def ranking() -> crosspath.Ranking:
    """The gradient itself beside two networks that have learned nothing."""
    given = {"a": auxiliary(1), "gradient": descent(), "b": auxiliary(2)}
    return crosspath.rank("image/digits", auxiliaries=given, settings=SETTINGS, **FEW)  # type: ignore[arg-type]


def test_what_lies_along_the_gradient_comes_first_and_alone_is_beyond_chance(ranking: crosspath.Ranking) -> None:
    assert ranking.rows[0].name == "gradient"
    assert ranking.rows[0].scores["gradient"].value == pytest.approx(1, abs=1e-6)
    assert [row.name for row in ranking.rows if row.beyond_chance] == ["gradient"]
    assert str(ranking).startswith("by gradient: gradient, above")
    assert set(ranking.rows[0].scores) == set(SCORES)


def test_random_networks_are_ordered_by_chance_whatever_their_size(ranking: crosspath.Ranking) -> None:
    given = {"large": auxiliary(1, 30.0), "b": auxiliary(2)}
    random = crosspath.rank("image/digits", auxiliaries=given, settings=SETTINGS, **FEW)  # type: ignore[arg-type]
    assert not random.beyond_chance
    assert str(random).startswith("no ordering beyond chance")
    before = {row.name: row.scores for row in ranking.rows}
    after = {row.name: row.scores for row in random.rows}
    assert after["b"] == before["b"]  # the same question has the same answer, whoever else is ranked
    for name in ("gradient", "effective_rank", "spectrum"):
        assert after["large"][name].value == pytest.approx(before["a"][name].value, rel=1e-5)


def test_only_the_training_part_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    load, seen = rank_measure.load_data, []

    def load_training_part(*arguments: object) -> DataSet:
        data = load(*arguments)  # type: ignore[arg-type]
        seen.append(data)
        nothing = Examples(np.empty((0, *data.train.inputs.shape[1:])), np.empty(0, np.int64), ())
        return replace(data, validation=nothing, test=nothing)

    given = {"a": auxiliary(1)}
    whole = crosspath.rank("image/digits", auxiliaries=given, settings=SETTINGS, **FEW)  # type: ignore[arg-type]
    monkeypatch.setattr(rank_measure, "load_data", load_training_part)
    without = crosspath.rank("image/digits", auxiliaries=given, settings=SETTINGS, **FEW)  # type: ignore[arg-type]
    assert seen
    assert without == whole


def test_series_are_scaled_as_in_training_and_padding_is_left_out() -> None:
    settings = ("data.labels_per_class=4", "train.batch_size=8")
    series = rank_measure.begin(apply_overrides(recipe_named("series/machines"), settings), None, None, 0, 1, 12)
    assert series.recipe.data.mean is not None  # type: ignore[attr-defined]
    model = build_model(apply_overrides(recipe_named("text/sentences"), ("model.pooling=mean",)), 3)
    tokens = torch.arange(20).view(2, 10)
    padded = nn.functional.pad(tokens, (0, 6), value=-1)
    assert torch.allclose(rank_measure._features(model, padded, 4), rank_measure._features(model, tokens, 4), atol=1e-6)


def test_the_alignment_is_the_slope_of_the_loss_in_the_scale() -> None:
    model = build_model(apply_overrides(recipe_named("image/digits"), SETTINGS), 10)
    connect(model, {"a": auxiliary(1).weights}, scale_init=0.0)
    batch, labels = torch.randn(6, 3, 8, 8), torch.arange(6)
    nn.functional.cross_entropy(model(batch), labels).backward()  # type: ignore[no-untyped-call]
    scales = {weight: float(scale.grad) for (weight, _), scale in pathways(model).scales().items()}
    gradients = {name: weight.grad for name, weight in pathways(model).weights().items() if weight.grad is not None}
    triples = list(connected_triples(model, "a", gradients))
    products = [float((gradient * other).sum()) for gradient, _, other in triples]
    assert products == pytest.approx([scales[name] for name in gradients], rel=1e-3, abs=1e-7)
    expected = [abs(product) / float(g.norm() * w.norm()) for product, (g, _, w) in zip(products, triples, strict=True)]
    assert gradient_alignment(triples) == pytest.approx(np.mean(expected))


def test_shuffled_copies_keep_each_row_and_differ_from_each_other() -> None:
    model = build_model(recipe_named("image/digits"), 10)
    connect(model, {"a": auxiliary(1).weights}, scale_init=1.0)
    values = {weight: value for (weight, _), value in pathways(model).auxiliaries().items()}
    originals = {weight: value.detach().clone() for weight, value in values.items()}
    copies = []
    for number in (1, 2, 1):
        shuffle_auxiliary(model, "a", originals, number)
        copies.append({weight: value.detach().clone() for weight, value in values.items()})
    name = "encoder.blocks.0.mlp.fc1.weight"
    assert torch.equal(copies[0][name].sort(dim=1).values, originals[name].sort(dim=1).values)
    assert not torch.equal(copies[0][name], originals[name])
    assert not torch.equal(copies[0][name], copies[1][name])
    assert all(torch.equal(copies[0][weight], copies[2][weight]) for weight in values)


def test_scores_by_hand() -> None:
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.normal(size=(40, 5)))
    turn = torch.linalg.qr(torch.from_numpy(rng.normal(size=(5, 5))))[0]
    assert linear_cka(x, 3 * x @ turn + 7) == pytest.approx(1)
    assert linear_cka(x, torch.from_numpy(rng.normal(size=(40, 5)))) < 0.3
    assert linear_cka(x, torch.ones(40, 2)) == 0.0

    eye, thin = torch.eye(4, 6, dtype=torch.float64), torch.zeros(4, 6, dtype=torch.float64)
    thin[0, 0] = 5.0
    assert spectra([(eye, eye, eye)]) == pytest.approx({"effective_rank": 1, "stable_rank": 1, "spectrum": 1})
    assert spectra([(eye, eye, thin)]) == pytest.approx({"effective_rank": 0.25, "stable_rank": 0.25, "spectrum": 0.5})
    assert spectra([(eye, eye, 0 * eye)])["effective_rank"] == 0.0
    matrix = torch.from_numpy(rng.normal(size=(7, 3)))
    assert torch.allclose(singular_values(matrix), torch.linalg.svdvals(matrix))
    assert as_matrix(torch.zeros(2, 3, 5, 7), 0).shape == (2, 105)
    assert as_matrix(torch.zeros(2, 3), 1).shape == (3, 2)

    score = score_of(5.0, [1.0, 2.0, 3.0])
    assert (score.shuffled, score.z) == (2.0, 3.0)
    assert score.p == pytest.approx(0.1217, abs=1e-4)  # t = 3 / sqrt(4 / 3), 2 degrees of freedom
    assert score_of(5.0, [1.0, 1.0, 1.0]).z is None


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved_audio(tmp_path / "audio")
    options = ["--labels", "2", "--seeds", "1", "--copies", "3", "--batches", "1", "--samples", "20"]
    arguments = ["rank", "image/digits", "--auxiliary", f"a={tmp_path / 'audio'}", *options]
    assert main([*arguments, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in answer["rows"]] == ["a"]
    assert answer["beyond_chance"] is False
    assert main(arguments) == 0
    captured = capsys.readouterr()
    assert "no ordering beyond chance" in captured.out
    named = f"--auxiliary a={tmp_path / 'audio'}"
    assert f"next: crosspath compare image/digits --start whole-body {named} --labels 2\n" in captured.err


def test_the_next_command_is_accepted_where_a_setting_names_the_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    saved_audio(tmp_path / "audio")
    options = ["--labels", "2", "--seeds", "1", "--copies", "3", "--batches", "1", "--samples", "20"]
    settings = ["--set", "pathway.start=gentle", "--set", "train.epochs=1"]
    assert main(["rank", "image/digits", "--auxiliary", f"a={tmp_path / 'audio'}", *options, *settings]) == 0
    command = capsys.readouterr().err.splitlines()[-1].removeprefix("next: crosspath ")
    assert "--start gentle" in command
    studies: list[Study] = []
    monkeypatch.setattr("crosspath.study.comparison.run_study", lambda study, **options: studies.append(study) or {})
    assert main([*shlex.split(command), "--json"]) == 0
    pathway = comparisons(studies[0])[0].others[0].recipe(1e-3, 0, search=False)
    assert (pathway.pathway.start, pathway.train.epochs) == ("gentle", 1)


def test_settings_beside_a_start_are_what_is_measured() -> None:
    settings = ("pathway.start=gentle", "pathway.scale_init=0.3")
    untrained = _understand("image/digits", None, None, None, settings)
    assert untrained.start == "gentle"
    pathway = untrained.recipe.pathway
    assert (pathway.scale_init, pathway.shrink) == (0.3, 1.0)
    pathway = _understand("image/digits", None, None, "whole-body", ("pathway.shrink=0.7",)).recipe.pathway
    assert (pathway.scale_init, pathway.shrink) == (1.0, 0.7)


def test_what_it_refuses(tmp_path: Path) -> None:
    given = {"a": auxiliary(1)}
    with refused("--copies", 1):
        crosspath.rank("image/digits", auxiliaries=given, copies=1)
    with refused("--by", "'luck'"):
        crosspath.rank("image/digits", auxiliaries=given, by="luck")
    with refused("--auxiliary", "none"):
        crosspath.rank("image/digits", auxiliaries={})
    with refused("--start", "paper"):
        crosspath.rank("image/digits", auxiliaries=given, start="paper")
    with refused("pathway.start", "gentle", "paper"):
        crosspath.rank("image/digits", auxiliaries=given, start="gentle", settings=("pathway.start=paper",))
    with refused("pathway.fit", "spectra"):
        crosspath.rank("image/digits", auxiliaries=given, settings=("pathway.fit=learned",))
    with refused("TARGET", "image/nothing"):
        crosspath.rank("image/nothing", auxiliaries=given)
    with refused("", kind=crosspath.PathwayError):
        crosspath.rank("image/digits", auxiliaries=given, settings=("model.size=tiny",), progress=False)
    saved_audio(tmp_path / "audio")
    with refused("--from"):
        crosspath.rank(tmp_path / "audio", auxiliaries=given, start_from=tmp_path / "audio")
