"""Roll, gain and mixing of waveforms."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from crosspath.config.augment import AudioAugment
from crosspath.data.items import DamageError, Item
from crosspath.data.views.waveform_views import STREAM, label_vector, mix_waves, roll_and_amplify, waveform_view


def wave(length: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(length).astype(np.float32)


def test_fault_roll_that_does_nothing_on_mono_recordings() -> None:
    # Published: the shift is drawn from the number of channels, which is 1.
    section = AudioAugment(roll=True, gain=0.0)
    shifts = Counter()
    sound = np.arange(50, dtype=np.float32)
    for seed in range(400):
        rolled = roll_and_amplify(sound, section, np.random.default_rng(seed))
        shifts[int(rolled[0])] += 1
        assert np.array_equal(np.roll(sound, int((rolled == 0).argmax())), rolled)
    assert len(shifts) == 50


def test_gain_is_beta_plus_a_half() -> None:
    section = AudioAugment(roll=False, gain=0.5)
    one = np.ones(1, np.float32)
    gains = [float(roll_and_amplify(one, section, np.random.default_rng(seed))[0]) - 0.5 for seed in range(2000)]
    assert stats.kstest(gains, stats.beta(10, 10).cdf).pvalue > 0.01


@given(length=st.integers(1, 60), other=st.integers(1, 60), share=st.floats(0.0, 1.0))
def test_a_mixture_is_the_shares_of_both_with_the_partner_fitted(length: int, other: int, share: float) -> None:
    first, second = wave(length), wave(other, 1)
    fitted = np.zeros(length)
    fitted[: min(length, other)] = second[:length]
    expected = share * first.astype(np.float64) + (1 - share) * fitted
    actual = mix_waves(first, second, share)
    assert actual.dtype == np.float32
    assert actual == pytest.approx(expected - expected.mean(), abs=1e-5)


class Waves:
    """A reader whose frames are the waveform itself."""

    def wave_of(self, item: Item) -> np.ndarray:
        return wave(20, int(item.id))

    def frames_of(self, sound: np.ndarray) -> np.ndarray:
        return sound


def untold(place: int, reason: str) -> None:
    raise AssertionError((place, reason))


def items(count: int = 10) -> list[Item]:
    labels = [(number % 3, 3) if number % 2 else (number % 3,) for number in range(count)]
    return [
        Item(id=str(number), label=label, part="train", path=Path("x.wav"), stamp="")
        for number, label in enumerate(labels)
    ]


def test_targets_are_the_shares_of_both_recordings_labels() -> None:
    section = AudioAugment(waveform=True, roll=False, gain=0.0, mixup=10.0, mixup_probability=0.5)
    known = items()
    found_mixed = 0
    shares = []
    with waveform_view(Waves(), known, 4, section, 0, 0, untold) as view:
        for sample in range(600):
            item = known[sample % 10]
            _, targets = view(item, sample)
            assert targets is not None
            own = label_vector(item, 4)
            if np.array_equal(targets, own):
                continue
            found_mixed += 1
            lowest = targets[own == 1].min()
            if lowest < 0.999 and (targets[own == 0] > 0).any():
                shares.append(1 - float(targets[own == 0].max()))
            assert targets.max() <= 1.0 + 1e-6
    # Half are mixed; of those some have a partner with the very same labels.
    assert 0.3 < found_mixed / 600 < 0.5
    assert np.mean(shares) == pytest.approx(0.5, abs=0.03)
    assert np.std(shares) == pytest.approx(stats.beta(10, 10).std(), abs=0.03)


def drawn_for(sample: int) -> tuple[int, float]:
    """The partner and the share of a sample among five recordings, by the order in which they are drawn."""
    generator = np.random.default_rng((STREAM, 0, 0, sample))
    generator.random()
    return int(generator.integers(5)), float(generator.beta(10.0, 10.0))


class SomeDamaged(Waves):
    """Two recordings that cannot be read: numbers 2 and 3."""

    def wave_of(self, item: Item) -> np.ndarray:
        if item.id in "23":
            raise DamageError("silent")
        return super().wave_of(item)


def test_fault_a_damaged_partner_was_taken_for_a_damaged_recording() -> None:
    section = AudioAugment(waveform=True, roll=False, gain=0.0, mixup=10.0, mixup_probability=1.0)
    known = items(5)
    messages: set[tuple[int, str]] = set()
    passed_over = 0
    with (
        waveform_view(Waves(), known, 4, section, 0, 0, untold) as whole,
        waveform_view(SomeDamaged(), known, 4, section, 0, 0, lambda *fault: messages.add(fault)) as view,
    ):
        for sample in range(60):
            frames, targets = view(known[0], sample)
            drawn, share = drawn_for(sample)
            partner = 4 if drawn in (2, 3) else drawn
            passed_over += drawn in (2, 3)
            assert np.array_equal(frames, mix_waves(wave(20, 0), wave(20, partner), share))
            expected = share * label_vector(known[0], 4) + (1 - share) * label_vector(known[partner], 4)
            assert targets == pytest.approx(expected, abs=1e-6)
            if drawn not in (2, 3):
                assert np.array_equal(frames, whole(known[0], sample)[0])
    assert passed_over > 10
    assert messages == {(2, "silent"), (3, "silent")}


def test_partners_are_drawn_from_all_recordings() -> None:
    section = AudioAugment(waveform=True, roll=False, gain=0.0, mixup=10.0, mixup_probability=1.0)
    known = items(5)
    results: Counter[int] = Counter()
    with waveform_view(Waves(), known, 4, section, 0, 0, untold) as view:
        for sample in range(300):
            frames, _ = view(known[0], sample)
            best = max(range(1, 5), key=lambda k: abs(np.corrcoef(frames, wave(20, k))[0, 1]))
            results[best] += 1
    assert set(results) == {1, 2, 3, 4}


def test_labels_become_a_row_of_zeros_and_ones() -> None:
    assert label_vector(items()[1], 5).tolist() == [0, 1, 0, 1, 0]
    single = Item(id="a", label=2, part=None, path=Path("a.wav"), stamp="")
    assert label_vector(single, 3).tolist() == [0, 0, 1]
