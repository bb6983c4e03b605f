"""From a recipe to a model: the sections' names and numbers turned into plain arguments."""

from crosspath.config import Recipe
from crosspath.errors import InputError
from crosspath.modalities import modality_of
from crosspath.models.about import About
from crosspath.models.dense_decoders import LinearDecoder, PyramidDecoder
from crosspath.models.detector import Detector
from crosspath.models.encoder import Encoder
from crosspath.models.heads import ClassificationHead
from crosspath.models.masked_autoencoder import Decoder, MaskedAutoencoder
from crosspath.models.masked_tokens import MaskedTokens
from crosspath.models.modality_model import ModalityModel
from crosspath.models.part_segmentation import WIDTHS, PartHead, PartSegmenter
from crosspath.models.pixel_segmentation import PixelSegmenter
from crosspath.models.sizes import size_of
from crosspath.tokenizers import ImageTokenizer, MaskableTokenizer, PointTokenizer, TextTokenizer, Tokenizer


def build_model(recipe: Recipe, classes: int) -> ModalityModel:
    """The model that `recipe` describes, freshly initialised from torch's random state.

    Mean pooling normalises after pooling (`head.norm`) and class-token pooling before it (`encoder.norm`), as MAE
    does, unless `model.fc_norm` says otherwise. Under `torch.device("meta")` it has shapes and no values.

    Raises
    ------
    InputError
        When the patch does not divide the input.
    """
    section = recipe.model
    model = ModalityModel(
        build_tokenizer(recipe),
        _build_encoder(recipe, final_norm=not section.normalises_after_pooling),
        ClassificationHead(
            size_of(section).width,
            classes,
            section.pooling,
            section.head_hidden,
            section.head_dropout,
            norm=section.normalises_after_pooling,
            norm_eps=section.norm_eps,
            init_std=section.head_init_std,
            batch_norm=section.head_batch_norm,
        ),
    )
    model.about = About(recipe=recipe, classes=tuple(str(number) for number in range(classes)))
    return model


def build_part_segmenter(recipe: Recipe, categories: int) -> PartSegmenter:
    """The part segmenter of a recipe of clouds, freshly initialised from torch's random state.

    `model.head_hidden` are the widths of the propagated features and of the two hidden layers, the published 1024, 512
    and 256 when not given. Before the data are read, `data.parts` may be missing: each category then has one part.

    Raises
    ------
    InputError
        For another modality than point clouds, and another number of widths.
    """
    section = recipe.model
    tokenizer = build_tokenizer(recipe)
    if not isinstance(tokenizer, PointTokenizer):
        raise _other_tokens(recipe, tokenizer, "point clouds, whose points have parts")
    widths = section.head_hidden or WIDTHS
    if len(widths) != len(WIDTHS):
        expected = "three widths: propagated features and two hidden layers"
        raise InputError("model.head_hidden", expected, str(list(widths)), "correct it, or leave it out")
    parts = getattr(recipe.data, "parts", None) or ((0,),) * categories
    model = PartSegmenter(
        tokenizer,
        _build_encoder(recipe, final_norm=True),
        PartHead(size_of(section).width, categories, sum(map(len, parts)), widths, section.head_dropout),
    )
    model.about = About(recipe=recipe, classes=tuple(str(number) for number in range(categories)))
    return model


def build_detector(recipe: Recipe, classes: int) -> Detector:
    """The detector of a recipe with a `detection` section, freshly initialised from torch's random state.

    Its encoder has a final norm.

    Raises
    ------
    InputError
        When the patch does not divide the input, is not square, or is all of it; and for tokens of another modality.
    """
    section = recipe.detection
    assert section is not None
    tokenizer = build_tokenizer(recipe)
    if not isinstance(tokenizer, ImageTokenizer):
        raise _other_tokens(recipe, tokenizer, "images, whose tokens lie on a grid")
    encoder = _build_encoder(recipe, final_norm=True)
    model = Detector(tokenizer, encoder, classes, section.detector, section.channels, section.detections)
    model.about = About(recipe=recipe, classes=tuple(str(number) for number in range(classes)))
    return model


def build_pixel_segmenter(recipe: Recipe, classes: int) -> PixelSegmenter:
    """The segmenter of a recipe with a `segmentation` section, freshly initialised from torch's random state.

    Its encoder has a final norm where a linear layer reads its last tokens; the pyramid reads blocks as they are.

    Raises
    ------
    InputError
        When the patch does not divide the input, or the modality's tokens are no patches of a picture.
    """
    section = recipe.segmentation
    assert section is not None
    tokenizer = build_tokenizer(recipe)
    if not isinstance(tokenizer, ImageTokenizer):
        raise _other_tokens(recipe, tokenizer, "images, whose tokens lie on a grid")
    width, head = size_of(recipe.model).width, None
    if section.decoder == "linear":
        head = LinearDecoder(width, classes)
    encoder = _build_encoder(recipe, final_norm=head is not None)
    model = PixelSegmenter(tokenizer, encoder, head or PyramidDecoder(width, classes, section.decoder_width))
    model.about = About(recipe=recipe, classes=tuple(str(number) for number in range(classes)))
    return model


def build_masked_autoencoder(recipe: Recipe) -> MaskedAutoencoder:
    """The masked autoencoder of a recipe with a `masking` section, freshly initialised from torch's random state.

    Its encoder is that of the classifier of the same recipe, with a final norm.

    Raises
    ------
    InputError
        When the patch does not divide the input, the decoder's heads do not divide its width, that width does not fit
        fixed positions, or tokens of the modality cannot be reconstructed.
    """
    section, masking = recipe.model, recipe.masking
    assert masking is not None
    if masking.decoder_width % masking.decoder_heads:
        where, expected = "masking.decoder_heads", f"a divisor of the width {masking.decoder_width}"
        raise InputError(where, expected, str(masking.decoder_heads), "choose another number of heads")
    tokenizer = build_tokenizer(recipe)
    if not isinstance(tokenizer, MaskableTokenizer):
        expected = "tokens that can be reconstructed (MaskableTokenizer)"
        todo = "change the settings of model.tokenizer, or name another recipe"
        raise _other_tokens(recipe, tokenizer, expected, todo)
    grid = tokenizer.fixed_grid
    if grid is not None and len(grid) == 2 and masking.decoder_width % 4:
        where, expected = "masking.decoder_width", "a multiple of 4 for two-axis sine-cosine positions"
        raise InputError(where, expected, str(masking.decoder_width), "choose another width")
    return MaskedAutoencoder(
        tokenizer,
        _build_encoder(recipe, final_norm=True),
        Decoder(
            size_of(section).width,
            masking.decoder_width,
            masking.decoder_depth,
            masking.decoder_heads,
            tokenizer.target_values,
            grid,
            norm_eps=section.norm_eps,
            every_block=section.position_every_block,
        ),
    )


def build_masked_tokens(recipe: Recipe) -> MaskedTokens:
    """The masked token model of a recipe of discrete tokens, freshly initialised from torch's random state.

    Raises
    ------
    InputError
        When the modality has another tokenizer than a table of tokens.
    """
    tokenizer = build_tokenizer(recipe)
    if not isinstance(tokenizer, TextTokenizer):
        raise _other_tokens(recipe, tokenizer, "tokens that a table holds (TextTokenizer)")
    return MaskedTokens(tokenizer, _build_encoder(recipe, final_norm=True))


def build_masked_model(recipe: Recipe) -> MaskedAutoencoder | MaskedTokens:
    """What masked modelling trains: `MaskedTokens` where samples are token numbers, else a masked autoencoder.

    Raises
    ------
    InputError
        See `build_masked_autoencoder`.
    """
    return build_masked_autoencoder(recipe) if modality_of(recipe).discrete is None else build_masked_tokens(recipe)


def build_tokenizer(recipe: Recipe) -> Tokenizer:
    """The tokenizer of the recipe's modality, at the width of the recipe's encoder.

    Raises
    ------
    InputError
        When the patch does not divide the input, and for what is no `Tokenizer`.
    """
    section = recipe.model
    width = size_of(section).width
    tokenizer = modality_of(recipe).tokenizer(section.tokenizer, recipe.data, width, section.positions)
    if not isinstance(tokenizer, Tokenizer):
        where, todo = f"Modality.tokenizer of {recipe.modality}", "return a subclass of crosspath.tokenizers.Tokenizer"
        raise InputError(where, "a Tokenizer", type(tokenizer).__name__, todo)
    return tokenizer


def _other_tokens(
    recipe: Recipe, tokenizer: Tokenizer, expected: str, todo: str = "name another recipe, or leave the objective out"
) -> InputError:
    """What to say of an objective that cannot use the tokens of its recipe."""
    return InputError("objective", expected, f"{recipe.modality}, tokenized by {type(tokenizer).__name__}", todo)


def _build_encoder(recipe: Recipe, *, final_norm: bool) -> Encoder:
    section = recipe.model
    return Encoder(
        *size_of(section),
        qkv_bias=section.qkv_bias,
        norm_eps=section.norm_eps,
        drop_path=section.drop_path,
        mlp_width=section.mlp_width,
        activation=section.activation,
        layer_scale=section.layer_scale,
        post_norm=section.post_norm,
        embedding_norm=section.embedding_norm,
        cls_token=section.cls_token or section.pooling != "mean",
        registers=section.registers,
        position_every_block=section.position_every_block,
        final_norm=final_norm,
        gradient_checkpointing=section.gradient_checkpointing,
    )
