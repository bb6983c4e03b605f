"""From a recipe to a model: the sections' names and numbers turned into plain arguments."""

from crosspath.config import Recipe
from crosspath.config.data import AudioData, ImageData, VideoData
from crosspath.config.model import AudioPatches, ImagePatches, PointGroups, VideoTubelets
from crosspath.models.encoder import Encoder
from crosspath.models.heads import ClassificationHead
from crosspath.models.modality_model import ModalityModel
from crosspath.models.sizes import SIZES
from crosspath.tokenizers import AudioTokenizer, ImageTokenizer, PointTokenizer, Tokenizer, VideoTokenizer


def build_model(recipe: Recipe, classes: int) -> ModalityModel:
    """The model that `recipe` describes, freshly initialised from torch's random state.

    Mean pooling normalises after pooling (`head.norm`) and class-token pooling before it (`encoder.norm`), as MAE
    does. Under `torch.device("meta")` it has shapes and no values.

    Raises
    ------
    InputError
        When the patch does not divide the input.
    """
    section = recipe.model
    size = SIZES[section.size]
    mean_pooled = section.pooling == "mean"
    return ModalityModel(
        _build_tokenizer(recipe, size.width),
        Encoder(
            size.width,
            size.depth,
            section.heads or size.heads,
            qkv_bias=section.qkv_bias,
            norm_eps=section.norm_eps,
            drop_path=section.drop_path,
            cls_token=not mean_pooled,
            position_every_block=section.position_every_block,
            final_norm=not mean_pooled,
            gradient_checkpointing=section.gradient_checkpointing,
        ),
        ClassificationHead(
            size.width,
            classes,
            section.pooling,
            section.head_hidden,
            section.head_dropout,
            norm=mean_pooled,
            norm_eps=section.norm_eps,
            init_std=section.head_init_std,
        ),
    )


def _build_tokenizer(recipe: Recipe, width: int) -> Tokenizer:
    tokenizer, data = recipe.model.tokenizer, recipe.data
    if isinstance(tokenizer, PointGroups):
        return PointTokenizer(tokenizer.groups, tokenizer.group_size, width)
    # A recipe pairs tokenizer, data and positions by modality; `centres` is the points' alone.
    positions = recipe.model.positions
    assert positions != "centres"
    if isinstance(tokenizer, ImagePatches) and isinstance(data, ImageData):
        return ImageTokenizer(data.image_size, tokenizer.patch, width, positions=positions)
    if isinstance(tokenizer, AudioPatches) and isinstance(data, AudioData):
        return AudioTokenizer(data.frames, data.mels, tokenizer.patch, width, positions=positions)
    assert isinstance(tokenizer, VideoTubelets)
    assert isinstance(data, VideoData)
    return VideoTokenizer(data.frames, data.image_size, tokenizer.patch, width, positions=positions)
