"""Text: sequences of token numbers, of the user's own texts by a tokenizer's file or byte by byte; or brackets, which a
rule makes."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crosspath.config.augment import TextAugment
from crosspath.config.data import TextData
from crosspath.config.model import TextTokens
from crosspath.config.shipped import TEXT as SECTIONS
from crosspath.data.cache import Store
from crosspath.data.examples import Examples
from crosspath.data.generated.brackets import partners
from crosspath.data.generated.sets import brackets, grammar
from crosspath.data.places import TEXT_SETS
from crosspath.data.readers.text import FILES, TextReader, cut_note
from crosspath.data.readers.text_recognition import holds_texts, is_text_table
from crosspath.data.views.augment import redraw_sequences, trim
from crosspath.data.vocabulary import PADDING, TOKENIZER, tokenizer_content, vocabulary_of
from crosspath.files import is_file
from crosspath.modalities.modality import Discrete, Export, Modality
from crosspath.recipes import procedural, text
from crosspath.tokenizers import TextTokenizer
from crosspath.tokenizers.patches import PositionKind


def _is_brackets(data: TextData) -> bool:
    return data.dataset == "dyck"


def _tokenizer(section: TextTokens, data: TextData, width: int, positions: PositionKind) -> TextTokenizer:
    return TextTokenizer(
        _vocabulary(data),
        data.length,
        width,
        freeze=section.embedding == "frozen",
        positions=positions,
        token_type=section.token_type,
        padded=not _is_brackets(data),
    )


def _sample_shape(data: TextData) -> tuple[int, ...]:
    return (data.length,)


def _vocabulary(data: TextData) -> int:
    if _is_brackets(data):
        return 2 * data.kinds
    return data.vocabulary_size or vocabulary_of(data).size


def _inspect(data: TextData) -> TextData:
    """With the tokenizer's whole path, so that a run can be read from anywhere."""
    return (
        data if data.tokenizer is None else data.model_copy(update={"tokenizer": data.tokenizer.expanduser().resolve()})
    )


def _calibrate(data: TextData, examples: Examples) -> TextData:
    """With what a model depends on of its tokenizer."""
    if data.tokenizer is None or _is_brackets(data):
        return data
    vocabulary = vocabulary_of(data)
    size = data.vocabulary_size or vocabulary.size
    return data.model_copy(update={"tokenizer_sha256": vocabulary.sha256, "vocabulary_size": size})


def _select(data: TextData, store: Store, parts: NDArray[np.str_]) -> tuple[Store, NDArray[np.str_], Sequence[str]]:
    """The set as it is, and how many of its texts are cut where no reader has counted them."""
    if data.dataset != "sentences":
        return store, parts, ()
    counts = np.asarray(store.inputs)[:, -1]
    return store, parts, cut_note(int((counts > data.length).sum()), len(counts), int(counts.max()), data.length)


def _files(data: TextData) -> Mapping[str, bytes]:
    content = None if _is_brackets(data) else tokenizer_content(data)
    return {} if content is None else {TOKENIZER: content}


def _at(data: TextData, folder: Path, own: bool) -> TextData:
    if data.tokenizer is None or (own and not (folder / TOKENIZER).is_file()):
        return data
    return data.model_copy(update={"tokenizer": folder / TOKENIZER})


def _samples(data: TextData, entry: str) -> list[tuple[str, NDArray[Any], tuple[str, ...]]]:
    """A text, or those in a file: a row each of a table, else one."""
    reader, path = TextReader(data), Path(entry)
    looks_like_a_file = not any(letter.isspace() for letter in entry) and bool(path.suffix[1:])
    texts = reader.texts_of(path) if is_file(path) or looks_like_a_file else [(entry, entry)]
    rows = [(name, reader.sample_of(value, name)) for name, value in texts]
    return [
        (name, row, (f"cut to {data.length} of its {row[-1]:,} tokens",) if row[-1] > data.length else ())
        for name, row in rows
    ]


def _maskable(data: TextData, ids_BL: Tensor) -> Tensor:
    """Closing brackets: each is decided by what stays visible, since the nesting shows where its opener stands. Of a
    text every token that stands for a part of it."""
    if _is_brackets(data):
        return ids_BL >= data.kinds
    special = torch.tensor(vocabulary_of(data).special, device=ids_BL.device, dtype=ids_BL.dtype)
    return (ids_BL >= 0) & ~torch.isin(ids_BL, special)


def _maskable_count(data: TextData) -> int:
    return data.length // 2 if _is_brackets(data) else data.length


def _cells(data: TextData, tokens: list[int], predicted: Mapping[int, int]) -> list[str]:
    """`5(` opens a bracket of kind 5 and `)5` closes one; a wrong prediction is followed by the truth and, of a
    bracket, the place of its opener, from 0. Of a text tokens are words, or their parts.
    """
    openers = partners(tokens, data.kinds) if _is_brackets(data) else []
    vocabulary = None if _is_brackets(data) else vocabulary_of(data)
    cells = []
    for place, token in enumerate(tokens):
        if token == PADDING:
            break
        word, guess = (
            _bracket(number, data.kinds) if vocabulary is None else escape(vocabulary.word(number))
            for number in (token, predicted.get(place, token))
        )
        if place not in predicted:
            cells.append(f"<span>{word}</span>")
        elif predicted[place] == token:
            cells.append(f"<span class=right>{word}</span>")
        else:
            truth = f"{word} of {openers[place]}" if openers else word
            cells.append(f"<span class=wrong>{guess} ({truth})</span>")
    return cells


def _bracket(token: int, kinds: int) -> str:
    return f"{token}(" if token < kinds else f"){token - kinds}"


def _raw(data: TextData, ids_BL: Tensor) -> tuple[Tensor, Tensor]:
    """Token numbers and which of them are real, of each sample one less than of the one before."""
    lengths_B1 = (data.length - torch.arange(len(ids_BL)) % data.length)[:, None]
    return ids_BL, torch.arange(data.length) < lengths_B1


def _batch(ids_BL: Tensor, real_BL: Tensor) -> Tensor:
    return torch.where(real_BL, ids_BL, PADDING)


def _expected(data: TextData) -> str:
    kind = "bytes of UTF-8 after the token 256" if data.tokenizer is None else f"numbers of {TOKENIZER}"
    return f"{kind}, cut to {data.length}; any number where the mask is false"


def _normalisation(data: TextData) -> str:
    return "none"


TEXT = Modality[TextData, TextAugment, TextTokens](
    sections=SECTIONS,
    suffixes=FILES,
    containers=FILES,
    reads_file=is_text_table,
    claims=holds_texts,
    content="texts",
    sets=TEXT_SETS,
    generated={"dyck": brackets, "sentences": grammar},
    reader=TextReader,
    inspect=_inspect,
    calibrate=_calibrate,
    calibration=("tokenizer_sha256", "vocabulary_size"),
    files=_files,
    at=_at,
    samples=_samples,
    select=_select,
    sample_shape=_sample_shape,
    held_out=trim,
    tokenizer=_tokenizer,
    discrete=Discrete(vocabulary=_vocabulary, maskable=_maskable, maskable_count=_maskable_count, cells=_cells),
    augment=redraw_sequences,
    export=Export(
        axes=("token",),
        dtype=torch.int64,
        raw=_raw,
        expected=_expected,
        normalisation=_normalisation,
        mask="which tokens are real",
        batch=_batch,
    ),
    hub_task="text-classification",
    recipes=text.RECIPES,
    pretraining={**text.PRETRAINING, **procedural.PRETRAINING},
)
