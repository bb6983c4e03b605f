"""How a known data set is shown: as one object, and as lines for people."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crosspath.cli.output import print_line

if TYPE_CHECKING:
    from crosspath.catalogue.published_set import PublishedSet


def described(known: "PublishedSet", root: Path) -> dict[str, Any]:
    """Everything known of a set, as one object."""
    facts = asdict(known)
    return {**facts, "folder": str(root / known.folder), "here": presence(known, root), "recipes": _recipes(known)}


def presence(known: "PublishedSet", root: Path) -> str:
    """Whether the set lies below the data root: `yes`, `no` or `incomplete`."""
    folder = root / known.folder
    if not folder.exists():
        return "no"
    return "incomplete" if known.missing(folder) else "yes"


def amounts(known: "PublishedSet") -> str:
    """Published samples of each part."""
    return ", ".join(f"{count:,} {part}" for part, count in known.samples.items())


def print_described(known: "PublishedSet", root: Path) -> None:
    """What `crosspath data show` prints."""
    recipes = [f"{verb} {name}" for verb, names in _recipes(known).items() for name in names]
    print_line(f"{known.name}: {known.modality}, {known.classes} classes, samples: {amounts(known)}")
    print_line(f"licence: {known.licence}")
    print_line(f"         {known.terms}")
    print_line(f"recipes: {', '.join(recipes) or 'none shipped'}")
    print_line(f"here:    {presence(known, root)} ({root / known.folder})")
    if known.note:
        print_line(f"note:    {known.note}")
    print_line("")
    _print_tree(known)
    print_line("")
    print_steps(known, root)
    if known.archives:
        print_line(f"`crosspath data get {known.name}` downloads")
    for archive in known.archives:
        size = "size not published" if archive.size is None else f"{archive.size:,} bytes"
        print_line(f"  {archive.address}")
        print_line(f"    {size}, {f'sha256 {archive.sha256}' if archive.sha256 else 'no published checksum'}")


def print_steps(known: "PublishedSet", root: Path) -> None:
    """The steps to take, numbered; nothing for a set that can be downloaded."""
    if known.steps:
        print_line(f"To get it, for {root / known.folder}:")
    for number, step in enumerate(known.steps, 1):
        print_line(f"  {number}. {step}")


def _print_tree(known: "PublishedSet") -> None:
    print_line(f"{known.folder}/")
    width = max(len(piece.pattern) for piece in known.pieces)
    for piece in known.tree:
        print_line(f"  {piece.pattern:<{width}}  {piece.what}")
    for variant, pieces in known.variants.items():
        print_line(f" {variant} (one of {len(known.variants)}):")
        for piece in pieces:
            print_line(f"  {piece.pattern:<{width}}  {piece.what}")


def _recipes(known: "PublishedSet") -> dict[str, list[str]]:
    """{verb: names of the recipes that read the set}."""
    from crosspath.recipes import PRETRAINING, RECIPES

    tables = {"train": RECIPES, "pretrain": PRETRAINING}
    return {
        verb: [name for name, recipe in table.items() if recipe().data.dataset in known.datasets]
        for verb, table in tables.items()
    }
