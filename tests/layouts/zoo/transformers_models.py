"""Every configuration of transformers."""

from tests.layouts.zoo import (
    transformers_audio,
    transformers_decoders,
    transformers_further,
    transformers_stages,
    transformers_text,
    transformers_vision,
)
from tests.layouts.zoo.configuration import Configuration

CONFIGURATIONS: tuple[Configuration, ...] = (
    transformers_vision.CONFIGURATIONS
    + transformers_stages.CONFIGURATIONS
    + transformers_audio.CONFIGURATIONS
    + transformers_text.CONFIGURATIONS
    + transformers_decoders.CONFIGURATIONS
    + transformers_further.CONFIGURATIONS
)
