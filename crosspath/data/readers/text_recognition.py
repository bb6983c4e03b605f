"""Which files and folders hold texts, rather than numbers, clouds or lists of other files."""

from pathlib import Path

from crosspath.data.class_names import NUMBER
from crosspath.data.folder_tree import tree_of
from crosspath.data.items import PART_NAMES
from crosspath.data.readers.text import FILES, SUFFIXES
from crosspath.data.readers.text_tables import SUFFIXES as TABLES
from crosspath.data.readers.text_tables import find_columns, read_text_table
from crosspath.errors import InputError

BESIDE = (*SUFFIXES, ".md", ".json", ".yaml", ".yml", "")
"""What may lie in a folder of texts."""
HEAD_BYTES = 1 << 14
"""Of a file that are looked at, to tell texts from numbers."""


def is_text_table(path: Path) -> bool:
    """Whether a file is a table with a column of texts: of more than one word, most of them."""
    if path.suffix.lower() not in TABLES or not path.is_file():
        return False
    try:
        table = read_text_table(path)
        texts = table.column(find_columns(table, path, None, None, None, PART_NAMES).text)
    except InputError:
        return False
    return 2 * sum(_is_prose(text or "") for text in texts) > len(texts)


def holds_texts(folder: Path) -> bool:
    """Whether a folder holds tables of texts, or class folders of texts rather than of clouds, and nothing else."""
    if not folder.is_dir():
        return False
    files = [file.path for file in tree_of(folder).files.values()]
    kinds = {path.suffix.lower() for path in files}
    if not kinds & {*SUFFIXES} or not kinds <= {*BESIDE}:
        return False
    tables = [path for path in files if path.parent == folder and path.suffix.lower() in TABLES]
    if tables:
        return all(is_text_table(path) for path in tables)
    first = next((path for path in sorted(files) if path.suffix.lower() in FILES and path.parent != folder), None)
    if first is None or kinds & {*TABLES}:
        return False
    with first.open("rb") as file:
        return _is_prose(file.read(HEAD_BYTES).decode("utf-8", errors="replace"))


def _is_prose(text: str) -> bool:
    """Whether most of several words are no numbers."""
    words = text.replace(",", " ").replace(";", " ").split()
    numbers = sum(NUMBER.fullmatch(word) is not None for word in words)
    return len(words) > 1 and 2 * numbers < len(words)
