"""The modalities: one object each, which the rest of the package asks; and what a recipe's data become through them.

`add` makes another one known. The shipped ones are listed here.
"""

from crosspath.modalities.audio import AUDIO
from crosspath.modalities.image import IMAGE
from crosspath.modalities.modality import Modality
from crosspath.modalities.point import POINT
from crosspath.modalities.table import MODALITIES, add, modality_of
from crosspath.modalities.text import TEXT
from crosspath.modalities.video import VIDEO

for _modality in (IMAGE, AUDIO, POINT, VIDEO, TEXT):
    add(_modality)

__all__ = ["MODALITIES", "Modality", "add", "modality_of"]
