"""Where published sets lie on disk: the data root, and the folder of each set below it. Needs no torch."""

import os
from collections.abc import Mapping
from pathlib import Path

IMAGE_SETS = {
    "cifar10": "cifar10",
    "imagenet": "imagenet",
    "coco": "coco",
    "ade20k": "ADEChallengeData2016",
}
AUDIO_SETS = {
    "esc10": "esc10",
    "fsdd": "fsdd",
    "audioset-20k": "audioset",
    "audioset-2m": "audioset",
    "esc50": "esc50",
    "speechcommands": "speechcommands",
}
POINT_SETS = {
    "modelnet10": "modelnet10",
    "modelnet40": "modelnet40_normal_resampled",
    "scanobjectnn-objbg": "scanobjectnn",
    "scanobjectnn-objonly": "scanobjectnn",
    "scanobjectnn-hardest": "scanobjectnn",
    "shapenet55": "shapenet55",
    "shapenetpart": "shapenetcore_partanno_segmentation_benchmark_v0_normal",
    "partnet": "sem_seg_h5",
}
VIDEO_SETS = {"grid": "grid_s1", "k400": "k400", "ssv2": "ssv2", "ucf101": "ucf101", "hmdb51": "hmdb51"}
SERIES_SETS = {"plaid": "uea_ucr", "vowels": "uea_ucr", "motions": "uea_ucr"}
TEXT_SETS = {"banking77": "banking77"}
SET_FOLDERS: Mapping[str, str] = {**IMAGE_SETS, **AUDIO_SETS, **POINT_SETS, **VIDEO_SETS, **SERIES_SETS, **TEXT_SETS}
"""Published sets by the value of `data.dataset`, and their folders below the data root."""


def data_root(root: Path | None) -> Path:
    """`root`, else `CROSSPATH_DATA`, else the user's data folder."""
    if root is not None:
        return root
    if "CROSSPATH_DATA" in os.environ:
        return Path(os.environ["CROSSPATH_DATA"])
    from platformdirs import user_data_path

    return user_data_path("crosspath")
