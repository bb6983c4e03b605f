"""Random samples in the cached form of each modality, of the sizes that the small masked recipes read."""

import numpy as np

from crosspath.data.examples import Examples
from tests.models.test_masked_autoencoder import SHAPES


def examples_for(modality: str, count: int) -> Examples:
    """`count` of them."""
    generator, shape = np.random.default_rng(0), (count, *SHAPES[modality])
    if modality in ("image", "video"):
        inputs = generator.integers(0, 256, shape, dtype=np.uint8)
    else:
        inputs = generator.normal(size=shape).astype(np.float32) * (4 if modality == "audio" else 0.4)
    return Examples(inputs, np.zeros(count, dtype=np.int64), tuple(f"sample/{i}" for i in range(count)))
