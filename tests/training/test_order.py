"""The order of samples: complete, even, and a function of seed and epoch."""

import numpy as np
import pytest

from crosspath.training.order import epoch_batches


@pytest.mark.parametrize(("samples", "size"), [(1, 4), (10, 4), (12, 4), (1000, 64)])
def test_every_sample_once_in_even_batches(samples: int, size: int) -> None:
    batches = epoch_batches(samples, size, seed=0, epoch=0)
    assert sorted(np.concatenate(batches)) == list(range(samples))
    lengths = [len(batch) for batch in batches]
    assert max(lengths) <= size
    assert max(lengths) - min(lengths) <= 1
    assert len(batches) == -(-samples // size)


def test_seed_and_epoch_decide() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        return list(np.concatenate(epoch_batches(50, 8, seed=seed, epoch=epoch)))

    assert order(1, 2) == order(1, 2)
    assert order(1, 2) != order(1, 3)
    assert order(1, 2) != order(2, 1)
    assert order(0, 0) != list(range(50))
