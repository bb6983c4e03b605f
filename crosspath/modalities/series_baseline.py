"""MiniRocket and a ridge classifier: what a practitioner would try first on time series.

Dempster et al. 2021, arXiv 2012.08791: 10,000 fixed convolutions, of each the share of positive values, and a linear
classifier whose penalty is chosen by leave-one-out on the training samples. Computed by `aeon`.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosspath.data.readers.extras import require_library
from crosspath.errors import InputError
from crosspath.modalities.modality import Baseline, Classify

SHORTEST = 9
"""Values of a series that its convolutions need."""


def fit_minirocket(inputs_NCT: NDArray[Any], labels_N: NDArray[np.int64], seed: int) -> Classify:
    """The classifier of training samples. Raises `InputError` without `aeon`, and for series that are too short."""
    library = require_library("aeon.classification.convolution_based", "baseline", "MiniRocket", "baseline")
    if inputs_NCT.shape[2] < SHORTEST:
        found = str(inputs_NCT.shape[2])
        raise InputError("data.length", f"{SHORTEST} or more for MiniRocket", found, "raise it")
    classifier = library.MiniRocketClassifier(random_state=seed)
    classifier.fit(inputs_NCT, labels_N)

    def classify(inputs: NDArray[Any]) -> NDArray[np.int64]:
        return np.asarray(classifier.predict(inputs), np.int64)

    return classify


MINIROCKET = Baseline(name="MiniRocket + ridge", fit=fit_minirocket)
