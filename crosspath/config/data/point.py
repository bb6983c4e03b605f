"""Point clouds: the `data` section."""

from typing import Literal

from pydantic import PositiveInt

from crosspath.config.data.section import DataSection


class PointData(DataSection):
    """Point clouds, centred on their mean and scaled into the unit sphere unless `normalise` is off."""

    modality: Literal["point"] = "point"
    dataset: Literal[
        "modelnet10",
        "solids",
        "modelnet40",
        "scanobjectnn-objbg",
        "scanobjectnn-objonly",
        "scanobjectnn-hardest",
        "shapenet55",
        "shapenetpart",
        "shards",
        "folder",
    ] = "folder"
    points: PositiveInt = 1024
    """Points of each cloud that the model sees, and that are drawn from the surface of each mesh."""
    stored_points: PositiveInt | None = None
    """Points stored of each cloud, from which every step draws `points`; the same as `points` by default."""
    normalise: bool = True
    """Centre each cloud on its mean and scale it into the unit sphere; ScanObjectNN is used as it is stored."""
