"""Small files of texts, and a small tokenizer made from them."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from crosspath.data.generated.sentences import CLASSES, sentences

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
REAL = (
    "I still have not received my new card, I ordered over a week ago.",
    "Why won't my card's \"contactless\" payment work at 7:30 p.m. — or ever?",
    "Überweisung fehlgeschlagen: 12,50 € (naïve café, 東京) 🙂",
    "a\tb\n\nc  d",
    "[SEP] is a word here and ##ing is not",
)
"""Sentences as people write them."""


@cache
def word_pieces() -> Any:
    """A WordPiece tokenizer of some 200 tokens."""
    library = pytest.importorskip("tokenizers")
    tokenizer = library.Tokenizer(library.models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = library.normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = library.pre_tokenizers.BertPreTokenizer()
    trainer = library.trainers.WordPieceTrainer(vocab_size=200, special_tokens=SPECIAL, show_progress=False)
    tokenizer.train_from_iterator([*(text for text, _ in sentences(20, 0)), *REAL[:3]], trainer)
    tokenizer.post_processor = library.processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tokenizer


def tokenizer_folder(folder: Path) -> Path:
    """A folder with `tokenizer.json`, as transformers saves it."""
    folder.mkdir(parents=True, exist_ok=True)
    word_pieces().save(str(folder / "tokenizer.json"))
    return folder


def write_table(path: Path, count: int = 20, seed: int = 0) -> Path:
    """A csv with `count` sentences of each of the four classes."""
    rows = [f'"{text}",{CLASSES[label]}' for text, label in sentences(count, seed)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["text,label", *rows]) + "\n", encoding="utf-8")
    return path
