"""Text: sequences of token numbers (L,). So far brackets, which a rule makes."""

from collections.abc import Mapping

from torch import Tensor

from crosspath.config.data import TextData
from crosspath.config.model import TextTokens
from crosspath.config.shipped import TEXT as SECTIONS
from crosspath.config.training import TextAugment
from crosspath.data.generated.brackets import partners
from crosspath.data.generated.sets import brackets
from crosspath.data.views.augment import redraw_sequences
from crosspath.modalities.modality import Discrete, Modality
from crosspath.recipes import procedural
from crosspath.tokenizers import TextTokenizer
from crosspath.tokenizers.patches import PositionKind


def _tokenizer(section: TextTokens, data: TextData, width: int, positions: PositionKind) -> TextTokenizer:
    frozen = section.embedding == "frozen"
    return TextTokenizer(data.vocabulary, data.length, width, frozen=frozen, positions=positions)


def _sample_shape(data: TextData) -> tuple[int, ...]:
    return (data.length,)


def _vocabulary(data: TextData) -> int:
    return data.vocabulary


def _closers(data: TextData, ids_BL: Tensor) -> Tensor:
    """Closing brackets: each is decided by what stays visible, since the nesting shows where its opener stands."""
    return ids_BL >= data.kinds


def _closer_count(data: TextData) -> int:
    return data.length // 2


def _cells(data: TextData, tokens: list[int], predicted: Mapping[int, int]) -> list[str]:
    """`5(` opens a bracket of kind 5 and `)5` closes one; a wrong prediction is followed by the truth and the place of
    the opener, from 0.
    """
    openers = partners(tokens, data.kinds)
    cells = []
    for place, token in enumerate(tokens):
        word = _word(token, data.kinds)
        if place not in predicted:
            cells.append(f"<span>{word}</span>")
        elif predicted[place] == token:
            cells.append(f"<span class=right>{word}</span>")
        else:
            wrong = _word(predicted[place], data.kinds)
            cells.append(f"<span class=wrong>{wrong} ({word} of {openers[place]})</span>")
    return cells


def _word(token: int, kinds: int) -> str:
    return f"{token}(" if token < kinds else f"){token - kinds}"


TEXT = Modality[TextData, TextAugment, TextTokens](
    sections=SECTIONS,
    content="sequences",
    generated={"dyck": brackets},
    sample_shape=_sample_shape,
    tokenizer=_tokenizer,
    discrete=Discrete(vocabulary=_vocabulary, maskable=_closers, maskable_count=_closer_count, cells=_cells),
    augment=redraw_sequences,
    pretraining=procedural.PRETRAINING,
)
