"""Pictures of a disc on noise, whose diameter and brightness are to be told: a small set for regression."""

import numpy as np
from numpy.typing import NDArray

COLUMNS = ("diameter (px)", "brightness")
LARGEST = 0.8
"""Of the diameter, as a share of the picture's side; the smallest is a quarter of it."""
NOISE = 12.0


def discs(count: int, size: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.float32], tuple[str, ...]]:
    """Colour pictures (N, 3, S, S), their numbers (N, 2) and the names of the two columns."""
    rng = np.random.default_rng(seed)
    diameters_N = rng.uniform(LARGEST / 4, LARGEST, count) * size
    brightness_N = rng.uniform(100.0, 230.0, count)
    centres_N2 = rng.uniform(diameters_N[:, None] / 2, size - diameters_N[:, None] / 2, (count, 2))
    places_S = np.arange(size) + 0.5
    rows_NS2, columns_NS2 = ((places_S - centres_N2[:, axis, None]) ** 2 for axis in (0, 1))
    distances_NSS = np.sqrt(rows_NS2[:, :, None] + columns_NS2[:, None])
    # Edges are soft: a pixel is covered in part.
    covered_NSS = np.clip(diameters_N[:, None, None] / 2 - distances_NSS + 0.5, 0.0, 1.0)
    levels_NSS = 40.0 + covered_NSS * (brightness_N[:, None, None] - 40.0)
    noisy_N3SS = levels_NSS[:, None] + NOISE * rng.standard_normal((count, 3, size, size))
    numbers_N2 = np.stack([diameters_N, brightness_N], axis=1).astype(np.float32)
    return np.clip(np.rint(noisy_N3SS), 0, 255).astype(np.uint8), numbers_N2, COLUMNS
