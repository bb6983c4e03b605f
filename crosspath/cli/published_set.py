"""How a published data set is printed: as one object, and as lines."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crosspath.cli.output import print_line

if TYPE_CHECKING:
    from crosspath.catalogue.published_set import PublishedSet


def set_facts(entry: "PublishedSet", root: Path) -> dict[str, Any]:
    """Everything that the catalogue knows about a set, as one object."""
    facts = asdict(entry)
    return {**facts, "folder": str(root / entry.folder), "here": presence(entry, root), "recipes": _recipes(entry)}


def presence(entry: "PublishedSet", root: Path) -> str:
    """Whether the set is in the data root: `yes`, `no` or `incomplete`."""
    folder = root / entry.folder
    if not folder.exists():
        return "no"
    return "incomplete" if entry.missing(folder) else "yes"


def sample_counts(entry: "PublishedSet") -> str:
    """The published number of samples in each part."""
    return ", ".join(f"{count:,} {part}" for part, count in entry.samples.items())


def print_set(entry: "PublishedSet", root: Path) -> None:
    """Print a set as `crosspath data show` does."""
    recipes = [f"{verb} {name}" for verb, names in _recipes(entry).items() for name in names]
    print_line(f"{entry.name}: {entry.modality}, {entry.classes} classes, samples: {sample_counts(entry)}")
    print_line(f"licence: {entry.licence}")
    print_line(f"         {entry.terms}")
    print_line(f"recipes: {', '.join(recipes) or 'none shipped'}")
    print_line(f"here:    {presence(entry, root)} ({root / entry.folder})")
    if entry.note:
        print_line(f"note:    {entry.note}")
    print_line("")
    _print_tree(entry)
    print_line("")
    print_steps(entry, root)
    if entry.archives:
        print_line(f"`crosspath data get {entry.name}` downloads")
    for archive in entry.archives:
        size = "size not published" if archive.size is None else f"{archive.size:,} bytes"
        print_line(f"  {archive.address}")
        print_line(f"    {size}, {f'sha256 {archive.sha256}' if archive.sha256 else 'no published checksum'}")


def print_steps(entry: "PublishedSet", root: Path) -> None:
    """Print the numbered steps for a set that cannot be downloaded automatically."""
    if entry.steps:
        print_line(f"Steps to obtain it in {root / entry.folder}:")
    for number, step in enumerate(entry.steps, 1):
        print_line(f"  {number}. {step}")


def _print_tree(entry: "PublishedSet") -> None:
    print_line(f"{entry.folder}/")
    width = max(len(piece.pattern) for piece in entry.pieces)
    for piece in entry.tree:
        print_line(f"  {piece.pattern:<{width}}  {piece.what}")
    for variant, pieces in entry.variants.items():
        print_line(f" {variant} (one of {len(entry.variants)}):")
        for piece in pieces:
            print_line(f"  {piece.pattern:<{width}}  {piece.what}")


def _recipes(entry: "PublishedSet") -> dict[str, list[str]]:
    """{verb: names of the recipes that read the set}."""
    from crosspath.recipes import PRETRAINING, RECIPES

    tables = {"train": RECIPES, "pretrain": PRETRAINING}
    return {
        verb: [name for name, recipe in table.items() if recipe().data.dataset in entry.datasets]
        for verb, table in tables.items()
    }
