"""Point clouds: the `data` section."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from crosspath.config.data.files_table import FilesTable

PartNumber = Annotated[int, Field(ge=0, le=253)]


class PointData(FilesTable):
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
        "partnet",
        "furniture",
        "shards",
        "folder",
    ] = "folder"
    points: PositiveInt = 1024
    """Points of each cloud that the model sees, and that are drawn from the surface of each mesh."""
    stored_points: PositiveInt | None = None
    """Points stored of each cloud, from which every step draws `points`; the same as `points` by default."""
    normalise: bool = True
    """Centre each cloud on its mean and scale it into the unit sphere; ScanObjectNN is used as it is stored."""
    parts: tuple[tuple[PartNumber, ...], ...] | None = None
    """Part segmentation: the part numbers of each category as they stand in the files, in the order of the categories;
    those of the training part when not given."""
    category: str | None = None
    """`partnet` only: such as `Chair`; each category is a task of its own."""
    level: Annotated[int, Field(ge=1, le=3)] = 3
    """`partnet` only: how finely parts are told apart, 3 the finest."""

    @property
    def sample_axes(self) -> tuple[int | str, ...]:
        """See `DataSection`."""
        return (3, "points" if self.stored_points is None else "stored_points")
