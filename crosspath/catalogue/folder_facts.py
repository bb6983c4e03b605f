"""What `crosspath data show` says of a folder of the user's own, from its list of files alone."""

from collections import Counter
from pathlib import Path
from typing import Any

from crosspath.catalogue.recognise import guess_section, own_recipe
from crosspath.modalities.load import reader_of


def folder_facts(folder: Path) -> dict[str, Any]:
    """`folder`, `modality`, `recipe` (the one that trains on it; None without one), `samples`, `classes` ({name: number
    of samples, or None where no list says it}) and `unread` ({kind of file: number}).

    Raises
    ------
    InputError
        For a folder without files of any modality, and for one that is not laid out in class folders.
    """
    section = guess_section(folder)
    recipe = own_recipe(section)
    listing = reader_of(section).listing(folder)
    numbers = (item.label if isinstance(item.label, tuple) else (item.label,) for item in listing.items)
    labels = Counter(number for several in numbers for number in several)
    return {
        "folder": str(folder),
        "modality": section.modality,
        "recipe": None if recipe is None else recipe.name,
        "samples": len(listing.items),
        "classes": {
            # What a mask holds is known once it is decoded.
            name: None if section.label_kind == "dense" else labels[number]
            for number, name in enumerate(listing.classes)
        },
        "unread": dict(listing.unread),
    }
