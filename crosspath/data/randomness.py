"""Counter-based random numbers: each is a function of (seed, epoch, sample id, stream, position) and of nothing else.

The order of samples, the composition and size of batches, the number of workers and the device never change a draw,
so two arms of a comparison see the same augmentations. The generator is SplitMix64 (Steele, Lea and Flood, "Fast
splittable pseudorandom number generators", OOPSLA 2014), restarted for every sample, in wrap-around int64 tensors.
"""

import hashlib
import math

import torch
from torch import Tensor

GAMMA = 0x9E3779B97F4A7C15
MULTIPLIERS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
WORD = 1 << 64


def uniform(seed: int, epoch: int, sample_ids_B: Tensor, stream: str, count: int) -> Tensor:
    """`count` float32 numbers (B, count) in [0, 1) for each integer id, multiples of 2^-24, on the ids' device.

    `stream` is the name of a use; different streams, epochs and seeds are independent. Number k does not depend on
    `count`.
    """
    states_B1 = _states(seed, epoch, sample_ids_B, stream)[:, None]
    return _words(states_B1, torch.arange(count, device=states_B1.device), bits=24).to(torch.float32) * 2.0**-24


def normal(seed: int, epoch: int, sample_ids_B: Tensor, stream: str, count: int) -> Tensor:
    """`count` float32 numbers (B, count) of the standard normal distribution for each id (Box and Muller, 1958).

    Computed in float64; equal over devices to float32's rounding.
    """
    states_B1 = _states(seed, epoch, sample_ids_B, stream)[:, None]
    return _normal(states_B1, torch.arange(count, device=states_B1.device))


def normal_at(seed: int, epoch: int, sample_ids_N: Tensor, stream: str, places_N: Tensor) -> Tensor:
    """For each pair of an id and a place k the number k of `normal`, (N,), without those before it."""
    return _normal(_states(seed, epoch, sample_ids_N, stream), places_N)


def _normal(states: Tensor, places: Tensor) -> Tensor:
    """Number k of each state is made of its uniform numbers 2k and 2k + 1; the shapes broadcast."""
    radii = _words(states, 2 * places, bits=53).to(torch.float64).mul_(-(2.0**-53)).log1p_().mul_(-2.0).sqrt_()
    angles = _words(states, 2 * places + 1, bits=53).to(torch.float64).mul_(2.0**-53).mul_(2.0 * math.pi)
    return radii.mul_(angles.cos_()).to(torch.float32)


def _states(seed: int, epoch: int, sample_ids_B: Tensor, stream: str) -> Tensor:
    """SplitMix64's first state (B,) of each id in a stream."""
    key = int.from_bytes(hashlib.blake2b(stream.encode(), digest_size=8).digest(), "little")
    for part in (seed, epoch):
        key = _mix_integer((key ^ part) + GAMMA)
    ids_B = sample_ids_B.to(torch.int64)
    return _mix(_mix(ids_B * _to_signed(GAMMA)) ^ _to_signed(key))


def _words(states: Tensor, places: Tensor, bits: int) -> Tensor:
    """The highest `bits` bits of output number `places` of SplitMix64 from `states`, as int64 below 2^bits."""
    return _logical_shift(_mix(states + (places + 1) * _to_signed(GAMMA)), 64 - bits)


def _mix(words: Tensor) -> Tensor:
    """SplitMix64's output function; int64 products wrap around as the 64-bit words of the original do."""
    words = _logical_shift(words, 30).bitwise_xor_(words).mul_(_to_signed(MULTIPLIERS[0]))
    words = _logical_shift(words, 27).bitwise_xor_(words).mul_(_to_signed(MULTIPLIERS[1]))
    return _logical_shift(words, 31).bitwise_xor_(words)


def _mix_integer(word: int) -> int:
    """The same for one Python integer."""
    word %= WORD
    word = (word ^ (word >> 30)) * MULTIPLIERS[0] % WORD
    word = (word ^ (word >> 27)) * MULTIPLIERS[1] % WORD
    return word ^ (word >> 31)


def _logical_shift(words: Tensor, places: int) -> Tensor:
    # torch shifts int64 arithmetically; the mask clears the copies of the sign bit.
    return (words >> places).bitwise_and_((1 << (64 - places)) - 1)


def _to_signed(word: int) -> int:
    return word - WORD if word >= WORD // 2 else word
