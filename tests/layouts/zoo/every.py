"""Every configuration of every library."""

from tests.layouts.zoo import other_models, timm_models, transformers_models
from tests.layouts.zoo.configuration import Configuration

CONFIGURATIONS: tuple[Configuration, ...] = (
    *timm_models.CONFIGURATIONS,
    *transformers_models.CONFIGURATIONS,
    *other_models.CONFIGURATIONS,
)
