"""One process of a distributed run: trains the image recipe on data in memory. Started by `torchrun` in tests."""

import sys
from pathlib import Path

from crosspath.training import preparation
from crosspath.training.run import train
from tests.checkpoints.small import audio_recipe, image_recipe
from tests.training.synthetic import synthetic

if __name__ == "__main__":
    out, auxiliary, *overrides = sys.argv[1:]
    if auxiliary == "grow":
        # Mixing by boxes is for pictures.
        recipe = audio_recipe(*(override for override in overrides if not override.startswith("augment.")))
    else:
        recipe = image_recipe(*overrides)
    preparation.load_data = lambda section, root, seed, progress=None: synthetic(recipe, 48, 19)
    auxiliaries = {"audio": Path(auxiliary)} if auxiliary not in {"grow", "none"} else {}
    train(recipe, out=out, auxiliaries=auxiliaries, progress=True, resume=Path(out).exists())
