"""Tokenizers' files against `transformers`, and the bytes of texts."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crosspath.config.data import TextData
from crosspath.data.items import DamageError
from crosspath.data.vocabulary import (
    PADDING,
    START,
    ByteVocabulary,
    FileVocabulary,
    encode_text,
    tokenizer_content,
    vocabulary_of,
)
from crosspath.errors import InputError
from tests.data.texts import REAL, SPECIAL, tokenizer_folder, word_pieces
from tests.errors import refused


def section(folder: Path | None, **values: object) -> TextData:
    return TextData(dataset="folder", tokenizer=folder, **values)  # type: ignore[arg-type]


@settings(deadline=None)
@given(st.text(min_size=1), st.integers(2, 40))
def test_bytes_lead_back_to_the_text(text: str, length: int) -> None:
    content = text.encode()
    ids, count = ByteVocabulary().encode(text, length)
    assert ids[0] == START
    assert bytes(ids[1:]) == content[: length - 1]
    assert count == len(content) + 1
    assert all(0 <= number < ByteVocabulary.size for number in ids)
    if text.strip():
        row = encode_text(ByteVocabulary(), text, length)
        assert row[:-1].tolist() == ids + [PADDING] * (length - len(ids))
        assert row[-1] == count


@pytest.mark.parametrize("text", ["", "  \n", "half a pair \ud800"])
def test_what_is_no_text_is_damage(text: str) -> None:
    with pytest.raises(DamageError):
        encode_text(ByteVocabulary(), text, 8)


def test_numbers_are_those_of_transformers(tmp_path: Path) -> None:
    from transformers import BertTokenizerFast, PreTrainedTokenizerFast

    folder = tokenizer_folder(tmp_path / "json")
    words = sorted(word_pieces().get_vocab().items(), key=lambda pair: pair[1])
    plain = tmp_path / "words"
    plain.mkdir()
    (plain / "vocab.txt").write_text("".join(f"{word}\n" for word, _ in words), encoding="utf-8")
    (plain / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": True}), encoding="utf-8")
    fast = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
    from_words = BertTokenizerFast(vocab=dict(words), do_lower_case=True)
    for length in (64, 9):
        for text in REAL:
            expected = fast(text, truncation=True, max_length=length)["input_ids"]
            assert vocabulary_of(section(folder)).encode(text, length) == (expected, len(fast(text)["input_ids"]))
            assert from_words(text, truncation=True, max_length=length)["input_ids"] == expected
            assert vocabulary_of(section(plain)).encode(text, length)[0] == expected


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_word_that_ends_a_line_elsewhere_shifts_no_number(tmp_path: Path, ends: str) -> None:
    from transformers import BertTokenizerFast

    words = [*SPECIAL, "\u2028", "\u0085", "red", "blue", "red", "green"]
    (tmp_path / "vocab.txt").write_bytes((ends.join(words) + ends).encode())
    vocabulary = vocabulary_of(section(tmp_path))
    assert vocabulary.size == len(words)
    theirs = BertTokenizerFast(str(tmp_path / "vocab.txt"))
    assert vocabulary.encode("green red blue", 8) == (theirs("green red blue")["input_ids"], 5)
    assert [vocabulary.word(number) for number in vocabulary.encode("green blue", 8)[0][1:-1]] == ["green", "blue"]


def test_tokens_of_no_word_are_special_and_the_unknown_one_is_a_word(tmp_path: Path) -> None:
    vocabulary = vocabulary_of(section(tokenizer_folder(tmp_path)))
    assert [vocabulary.word(number) for number in vocabulary.special] == [s for s in SPECIAL if s != "[UNK]"]
    assert vocabulary.size == word_pieces().get_vocab_size()
    assert vocabulary.word(vocabulary.encode("lost", 8)[0][0]) == "[CLS]"


def test_a_tokenizer_is_found_by_its_folder_and_by_its_file(tmp_path: Path) -> None:
    folder = tokenizer_folder(tmp_path)
    content = tokenizer_content(section(folder))
    assert content == (folder / "tokenizer.json").read_bytes() == tokenizer_content(section(folder / "tokenizer.json"))
    assert tokenizer_content(section(None)) is None
    assert vocabulary_of(section(None)).size == 257


def test_another_tokenizer_than_the_model_had_is_refused(tmp_path: Path) -> None:
    folder = tokenizer_folder(tmp_path)
    own = vocabulary_of(section(folder)).sha256
    assert vocabulary_of(section(folder, tokenizer_sha256=own)).sha256 == own
    with refused("data.tokenizer", "0" * 12 + "…", own[:12] + "…"):  # type: ignore[index]
        vocabulary_of(section(folder, tokenizer_sha256="0" * 64))
    with refused("data.vocabulary_size", word_pieces().get_vocab_size(), 5):
        vocabulary_of(section(folder, vocabulary_size=5))


def test_what_bytes_are_not_is_refused_without_a_tokenizer() -> None:
    assert vocabulary_of(section(None, vocabulary_size=1000)).size == 257
    with refused("data.vocabulary_size", 257, 50):
        vocabulary_of(section(None, vocabulary_size=50))
    with refused("data.tokenizer", "0" * 12 + "…", "none"):
        vocabulary_of(section(None, tokenizer_sha256="0" * 64))


def test_folders_without_a_tokenizer_are_refused(tmp_path: Path) -> None:
    with refused(tmp_path, "tokenizer.json", "vocab.txt", "none"):
        vocabulary_of(section(tmp_path))
    (tmp_path / "vocab.json").write_text("{}")
    with refused(tmp_path, "tokenizer of another kind"):
        vocabulary_of(section(tmp_path))
    (tmp_path / "vocab.txt").write_text("one\ntwo\n")
    with refused("vocab.txt", "[UNK]", "[CLS]", "[SEP]"):
        vocabulary_of(section(tmp_path))


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_damaged_files_are_refused_in_one_line(data: st.DataObject) -> None:
    content = bytearray(word_pieces().to_str().encode())
    match data.draw(st.sampled_from(["cut", "change", "other"])):
        case "cut":
            del content[data.draw(st.integers(0, len(content) - 2)) :]
        case "change":
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        case _:
            content[:] = data.draw(st.binary(max_size=60))
    refusal = None
    try:
        FileVocabulary(bytes(content), "tokenizer.json").encode("who has lost the map", 8)
    except InputError as error:
        refusal = error
    assert refusal is None or (refusal.where == "tokenizer.json" and "\n" not in str(refusal))
