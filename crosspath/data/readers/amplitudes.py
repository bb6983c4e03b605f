"""The range of samples of recordings, one rule for every type: full scale is -1 to 1.

Integers of b bits are divided by 2^(b-1), so that their whole range is full scale: -32768 to 32767 of 16 bits is -1 to
0.99997. Unsigned ones (8 bits) are first centred: 128 is 0. Samples of 24 bits, and of 12 or 20 bits stored in more,
count from the highest bit, as the formats say. Floating-point samples are full scale already. libsndfile and FFmpeg
both decode by this rule; nothing is scaled by a recording's own peak.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosspath.data.items import DamageError

LOUDEST = 8.0
"""18 dB above full scale. Mixes and lossy codecs overshoot a little; far more means integers that were stored as
floating-point numbers without a division."""


def require_full_scale(wave: NDArray[Any]) -> None:
    """Refuses a waveform whose samples are not finite, or are no fractions of full scale. Raises `DamageError`."""
    # Copies of an hour are large; the extremes of samples with a NaN are NaN.
    low, high = float(wave.min(initial=0.0)), float(wave.max(initial=0.0))
    if not np.isfinite([low, high]).all():
        raise DamageError("its samples are not finite")
    peak = max(-low, high)
    if peak > LOUDEST:
        todo = "divide integers that were stored as floating-point numbers (16 bits by 32768)"
        raise DamageError(f"its samples reach {peak:.6g}, where 1 is full scale: {todo}")
