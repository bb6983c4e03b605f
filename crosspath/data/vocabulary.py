"""Text to token numbers and back: by a tokenizer of `transformers` from a file, or byte by byte.

A tokenizer's file is data: it is read by the `tokenizers` library, nothing of it is executed, and nothing is looked up
anywhere else. The numbers are those that `transformers` gives with `truncation=True`.
"""

import hashlib
import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from crosspath.config.data import TextData
from crosspath.data.items import DamageError
from crosspath.errors import InputError
from crosspath.limits import BYTES

TOKENIZER = "tokenizer.json"
WORDS = "vocab.txt"
CONFIG = "tokenizer_config.json"
PADDING = -1
"""In the places behind a text: no tokenizer has such a number, whether it has a token for padding or not."""
START = 256
"""Before the bytes of a text."""


class Vocabulary(Protocol):
    """How texts become token numbers."""

    @property
    def size(self) -> int:
        """Rows that a table of tokens needs."""

    @property
    def sha256(self) -> str | None:
        """Of the tokenizer's file as it goes with checkpoints; None for bytes."""

    @property
    def special(self) -> Sequence[int]:
        """Tokens that stand for no part of a text, such as the one at its beginning."""

    def encode(self, text: str, length: int) -> tuple[list[int], int]:
        """The tokens of a text, `length` at most, and how many there would be without the limit."""

    def word(self, number: int) -> str:
        """A token as people read it."""


class ByteVocabulary:
    """The bytes of UTF-8 after one token that begins every text."""

    size = START + 1
    sha256 = None
    special = (START,)

    def encode(self, text: str, length: int) -> tuple[list[int], int]:
        """As `Vocabulary.encode`."""
        content = text.encode()
        return [START, *content[: length - 1]], len(content) + 1

    def word(self, number: int) -> str:
        """A letter of ASCII as it is, any other byte as its number."""
        if number == START:
            return "<start>"
        letter = chr(number)
        return letter if letter.isascii() and letter.isprintable() else f"<{number:02x}>"


class FileVocabulary:
    """A tokenizer of the `tokenizers` library."""

    def __init__(self, content: bytes, where: object) -> None:
        # Two of them: how a text is cut is a state of a tokenizer.
        self._whole, self._cut = (_parse(content, where) for _ in range(2))
        self.sha256 = hashlib.sha256(content).hexdigest()
        self.size = max(self._whole.get_vocab(with_added_tokens=True).values(), default=-1) + 1
        if self.size == 0:
            raise InputError(where, "a tokenizer with tokens", "an empty one", "name another folder")
        unknown = getattr(self._whole.model, "unk_token", None)
        added_tokens = self._whole.get_added_tokens_decoder().items()
        self.special = tuple(number for number, token in added_tokens if token.special and token.content != unknown)
        self._whole.no_padding()
        self._whole.no_truncation()
        self._cut.no_padding()

    def encode(self, text: str, length: int) -> tuple[list[int], int]:
        """As `Vocabulary.encode`; of a text that is cut the token at its end stays."""
        ids: list[int] = self._whole.encode(text).ids
        count = len(ids)
        if count > length:
            self._cut.enable_truncation(length)
            ids = self._cut.encode(text).ids
        return ids, count

    def word(self, number: int) -> str:
        """The token itself."""
        token: str | None = self._whole.id_to_token(number)
        return f"<{number}>" if token is None else token


def vocabulary_of(section: TextData) -> Vocabulary:
    """The tokenizer that a `data` section names; the bytes where it names none.

    Raises
    ------
    InputError
        For a missing or faulty tokenizer, one that is not the one that a model was trained with, and a table of tokens
        with fewer rows than there are tokens.
    """
    vocabulary: Vocabulary = ByteVocabulary()
    found = "none: the bytes are the tokens"
    if section.tokenizer is not None:
        path = tokenizer_file(section.tokenizer)
        status = path.stat()
        vocabulary = _read(path, status.st_size, status.st_mtime_ns)
        found = f"{str(vocabulary.sha256)[:12]}… of {path}"
    if section.tokenizer_sha256 not in (None, vocabulary.sha256):
        todo = "name the one the model was trained with: --set data.tokenizer=FOLDER, or data.tokenizer_sha256=null"
        raise InputError("data.tokenizer", f"the tokenizer {str(section.tokenizer_sha256)[:12]}…", found, todo)
    if section.vocabulary_size is not None and section.vocabulary_size < vocabulary.size:
        todo = "leave it out"
        raise InputError("data.vocabulary_size", f"{vocabulary.size} or more", str(section.vocabulary_size), todo)
    return vocabulary


def tokenizer_content(section: TextData) -> bytes | None:
    """The tokenizer's file as it goes with a checkpoint; None for bytes."""
    return None if section.tokenizer is None else _content(tokenizer_file(section.tokenizer))


def tokenizer_file(place: Path) -> Path:
    """The file of a tokenizer in a folder, or the path itself. Raises `InputError` where there is none."""
    place = place.expanduser()
    if place.is_file():
        return place
    for name in (TOKENIZER, WORDS):
        if (place / name).is_file():
            return place / name
    found = "none"
    if (place / "vocab.json").is_file() or any(place.glob("*.model")):
        found = "a tokenizer of another kind"
    todo = "convert it: transformers.AutoTokenizer.from_pretrained(FOLDER).save_pretrained(NEW_FOLDER)"
    todo = "copy it there, or name its folder with --set data.tokenizer=FOLDER" if found == "none" else todo
    raise InputError(place, f"a folder with {TOKENIZER} or {WORDS}", found, todo)


def encode_text(vocabulary: Vocabulary, text: str, length: int) -> NDArray[np.int32]:
    """A text as a row (length + 1,): its tokens, padding, and last how many tokens it has without the limit.

    Raises
    ------
    DamageError
        For a text without a word, and one with half a surrogate pair, which is no character.
    """
    if not text.strip():
        raise DamageError("an empty text")
    try:
        ids, count = vocabulary.encode(text, length)
    except UnicodeEncodeError as error:
        raise DamageError(f"no text: half a surrogate pair at character {error.start + 1}") from None
    row = np.full(length + 1, PADDING, np.int32)
    row[: len(ids)] = ids
    row[-1] = count
    return row


@lru_cache(maxsize=4)
def _read(path: Path, *state: int) -> FileVocabulary:
    return FileVocabulary(_content(path), path)


def _content(path: Path) -> bytes:
    """A tokenizer as the `tokenizers` library writes it; a list of words becomes one."""
    reason = BYTES.excess(path.stat().st_size)
    if reason is not None:
        raise InputError(path, "the file of a tokenizer", reason, "check the file")
    return _from_words(path) if path.name.endswith(".txt") else path.read_bytes()


def _from_words(path: Path) -> bytes:
    """BERT's WordPiece from its list of words: lower case without accents, unless the configuration beside says no."""
    library = _library()
    try:
        # Not by `splitlines`: words may be characters that end a line elsewhere, such as U+2028.
        words = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
        config = (
            json.loads((path.parent / CONFIG).read_text(encoding="utf-8")) if (path.parent / CONFIG).is_file() else {}
        )
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(path, "a list of words, one on each line, in UTF-8", str(error), "name another") from None
    config = config if isinstance(config, dict) else {}
    numbers = {word: number for number, word in enumerate(words)}
    names = {
        name: _token_name(config, f"{name}_token", f"[{name.upper()}]") for name in ("unk", "cls", "sep", "pad", "mask")
    }
    missing = [name for name in (names["unk"], names["cls"], names["sep"]) if name not in numbers]
    if missing:
        raise InputError(path, f"a WordPiece list with {', '.join(missing)}", "none", f"name a folder with {TOKENIZER}")
    tokenizer = library.Tokenizer(library.models.WordPiece(numbers, unk_token=names["unk"]))
    tokenizer.normalizer = library.normalizers.BertNormalizer(
        lowercase=bool(config.get("do_lower_case", True)),
        strip_accents=config.get("strip_accents"),
        handle_chinese_chars=bool(config.get("tokenize_chinese_chars", True)),
    )
    tokenizer.pre_tokenizer = library.pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens([name for name in names.values() if name in numbers])
    tokenizer.post_processor = library.processors.BertProcessing(
        (names["sep"], numbers[names["sep"]]), (names["cls"], numbers[names["cls"]])
    )
    tokenizer.decoder = library.decoders.WordPiece()
    text: str = tokenizer.to_str()
    return text.encode()


def _token_name(config: dict[str, Any], key: str, default: str) -> str:
    value = config.get(key, default)
    value = value.get("content", default) if isinstance(value, dict) else value
    return value if isinstance(value, str) else default


def _parse(content: bytes, where: object) -> Any:
    library = _library()
    try:
        return library.Tokenizer.from_buffer(content)
    except BaseException as error:  # the library's own panics are no `Exception`
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        reason = " ".join(str(error).split())[:200]
        raise InputError(where, "a tokenizer as transformers saves it", reason, "name another folder") from None


def _library() -> Any:
    try:
        import tokenizers
    except ImportError:
        todo = "pip install 'crosspath[text]', or leave data.tokenizer out: the bytes are then the tokens"
        raise InputError("data.tokenizer", "the package tokenizers", "none", todo) from None
    return tokenizers
