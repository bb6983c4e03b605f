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
    return _words(seed, epoch, sample_ids_B, stream, count, bits=24).to(torch.float32) * 2.0**-24


def normal(seed: int, epoch: int, sample_ids_B: Tensor, stream: str, count: int) -> Tensor:
    """`count` float32 numbers (B, count) of the standard normal distribution for each id (Box and Muller, 1958).

    Computed in float64; equal over devices to float32's rounding.
    """
    fractions = _words(seed, epoch, sample_ids_B, stream, 2 * count, bits=53).to(torch.float64) * 2.0**-53
    radii = (-2.0 * torch.log1p(-fractions[:, 0::2])).sqrt()
    return (radii * torch.cos(2.0 * math.pi * fractions[:, 1::2])).to(torch.float32)


def _words(seed: int, epoch: int, sample_ids_B: Tensor, stream: str, count: int, bits: int) -> Tensor:
    """The highest `bits` bits of `count` SplitMix64 outputs (B, count) for each id, as int64 below 2^bits."""
    key = int.from_bytes(hashlib.blake2b(stream.encode(), digest_size=8).digest(), "little")
    for part in (seed, epoch):
        key = _mix_integer((key ^ part) + GAMMA)
    ids_B = sample_ids_B.to(torch.int64)
    states_B = _mix(_mix(ids_B * _signed(GAMMA)) ^ _signed(key))
    steps_K = torch.arange(1, count + 1, device=ids_B.device) * _signed(GAMMA)
    return _logical_shift(_mix(states_B[:, None] + steps_K), 64 - bits)


def _mix(words: Tensor) -> Tensor:
    """SplitMix64's output function; int64 products wrap around as the 64-bit words of the original do."""
    words = (words ^ _logical_shift(words, 30)) * _signed(MULTIPLIERS[0])
    words = (words ^ _logical_shift(words, 27)) * _signed(MULTIPLIERS[1])
    return words ^ _logical_shift(words, 31)


def _mix_integer(word: int) -> int:
    """The same for one Python integer."""
    word %= WORD
    word = (word ^ (word >> 30)) * MULTIPLIERS[0] % WORD
    word = (word ^ (word >> 27)) * MULTIPLIERS[1] % WORD
    return word ^ (word >> 31)


def _logical_shift(words: Tensor, places: int) -> Tensor:
    # torch shifts int64 arithmetically; the mask clears the copies of the sign bit.
    return (words >> places) & ((1 << (64 - places)) - 1)


def _signed(word: int) -> int:
    return word - WORD if word >= WORD // 2 else word
