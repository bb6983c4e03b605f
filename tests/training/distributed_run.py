"""One process of a distributed run: trains the image recipe on data in memory. Started by `torchrun` in tests."""

import sys
from pathlib import Path

from crosspath.training import run
from crosspath.training.run import train
from tests.checkpoints.small import audio_recipe, image_recipe
from tests.training.synthetic import synthetic

if __name__ == "__main__":
    out, auxiliary, *overrides = sys.argv[1:]
    recipe = (audio_recipe if auxiliary == "grow" else image_recipe)(*overrides)
    run.load_data = lambda section, root, seed, progress=None: synthetic(recipe, 48, 19)
    auxiliaries = {"audio": Path(auxiliary)} if auxiliary not in {"grow", "none"} else {}
    train(recipe, out=out, auxiliaries=auxiliaries, progress=True, resume=Path(out).exists())
