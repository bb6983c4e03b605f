"""Every configuration of timm that people are known to bring."""

from tests.layouts.zoo import timm_convolutions, timm_stages, timm_vits
from tests.layouts.zoo.configuration import Configuration

CONFIGURATIONS: tuple[Configuration, ...] = (
    *timm_vits.CONFIGURATIONS,
    *timm_stages.CONFIGURATIONS,
    *timm_convolutions.CONFIGURATIONS,
)
