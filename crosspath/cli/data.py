"""`crosspath data`: which data sets are known, what their folders look like, how to get them, are they whole."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from crosspath.cli.known_set import amounts, described, presence, print_described, print_steps
from crosspath.cli.options import Data, Json
from crosspath.cli.output import print_json, print_line, print_table
from crosspath.errors import InputError

if TYPE_CHECKING:
    from crosspath.catalogue.get import Progress
    from crosspath.catalogue.published_set import PublishedSet
    from crosspath.config.data import Data as DataSection

data = App(
    name="data",
    help="""List, describe, download and verify data sets.

    Example: `crosspath data get esc50`
    """,
)


@data.command(name="list", sort_key=0)
def list_(*, data: Data = None, json: Json = False) -> None:
    """List the data sets that recipes read by name, and which of them are here.

    Example: `crosspath data list --data DIR`

    Parameters
    ----------
    data
        Root that holds one folder per data set; default: `CROSSPATH_DATA`, else the user's data folder.
    json
        Print one JSON object on stdout.
    """
    from crosspath.catalogue.sets import PUBLISHED_SETS
    from crosspath.modalities.load import data_root

    root = data_root(data)
    if json:
        print_json({"root": str(root), "sets": [described(known, root) for known in PUBLISHED_SETS.values()]})
        return
    rows = [
        (
            known.name,
            known.modality,
            f"{known.classes:,}",
            f"{sum(known.samples.values()):,}",
            "download" if known.archives else "by steps",
            presence(known, root),
        )
        for known in PUBLISHED_SETS.values()
    ]
    print_table(("name", "modality", "classes", "samples", "to get", "here"), rows, f"data sets below {root}")
    print_line("image/digits, audio/sounds and point/solids need no files; recipes named folder read your own.")


@data.command(sort_key=1)
def show(name: str, /, *, data: Data = None, json: Json = False) -> None:
    """Show a data set: licence, sizes, what its folder must look like, which recipes read it, and how to get it.

    Example: `crosspath data show modelnet40`

    Parameters
    ----------
    name
        A name of `crosspath data list`.
    data
        Root that holds one folder per data set; default: `CROSSPATH_DATA`, else the user's data folder.
    json
        Print one JSON object on stdout.
    """
    from crosspath.catalogue.sets import find_set
    from crosspath.modalities.load import data_root

    known, root = find_set(name), data_root(data)
    if json:
        print_json(described(known, root))
    else:
        print_described(known, root)


@data.command(sort_key=2)
def get(name: str, /, *, data: Data = None, json: Json = False) -> None:
    """Download a data set and arrange its folder; an interrupted download goes on where it stopped.

    Example: `crosspath data get esc50 --data DIR`

    Checksums are verified where they are known, else recorded in the folder's SOURCE.json. For a set that its owners
    hand out on request, the steps to take are printed instead, and the command ends with 2.

    Parameters
    ----------
    name
        A name of `crosspath data list`.
    data
        Root that holds one folder per data set; default: `CROSSPATH_DATA`, else the user's data folder.
    json
        Print one JSON object on stdout.
    """
    from crosspath.catalogue.get import get as get_set
    from crosspath.catalogue.sets import find_set
    from crosspath.modalities.load import data_root

    known, root = find_set(name), data_root(data)
    if not known.archives:
        print_json(described(known, root)) if json else print_steps(known, root)
        todo = "take the steps on stdout, then `crosspath data check`"
        raise InputError(known.name, "a set that can be downloaded", "one that its owners hand out", todo)
    _say(f"{known.name}: {known.licence} ({known.terms})")
    with _bar() as progress:
        record = get_set(known, root, progress, _say)
    if json:
        print_json({**record, "folder": str(root / known.folder)})
        return
    for archive in record["archives"]:
        how = "verified" if archive["verified"] else "recorded, not verified: no checksum is published"
        print_line(f"{archive['address']}: {archive['size']:,} bytes, sha256 {archive['sha256']} ({how})")
    print_line(f"{known.name} is in {root / known.folder}")


@data.command(sort_key=3)
def check(
    folder: Path,
    /,
    *,
    recipe: Annotated[str | None, Parameter(name="--recipe")] = None,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative="", show_default=False)] = (),
    json: Json = False,
) -> None:
    """Verify a data folder: every piece is there and every file decodes; bad files are listed on stdout.

    Example: `crosspath data check DIR/esc10`

    Ends with 0 when all is well, else with 2. A known set is recognised by its folder's name; any other folder is read
    as class folders of the modality that most of its files have.

    Parameters
    ----------
    folder
        The folder of one data set.
    recipe
        The recipe that reads the folder, where it says more: `point/scanobjectnn-hardest`, or a `.yaml` file.
    set_
        `section.field=value` of that recipe, such as `data.csv=list.csv`; repeat it for several.
    json
        Print one JSON object on stdout.
    """
    from crosspath.catalogue.check import check as check_folder
    from crosspath.catalogue.check import guess_section, recognise_set
    from crosspath.config import apply_overrides
    from crosspath.modalities.load import located
    from crosspath.recipes import PRETRAINING, RECIPES, recipe_named
    from crosspath.training.progress import reporter

    known = recognise_set(folder) if recipe is None else None
    if recipe is not None:
        objective = "masked_modeling" if recipe in PRETRAINING.keys() - RECIPES.keys() else "classification"
        sections = [located(apply_overrides(recipe_named(recipe, objective), set_).data, folder)]
    elif set_:
        raise InputError("--set", "a recipe to change", "none", "name it with --recipe")
    else:
        sections = [guess_section(folder)] if known is None else _sections(known, folder)
    with reporter(True) as listener:
        found = check_folder(folder, known, sections, listener.preparing)
    if json:
        print_json(found.to_json())
    else:
        counts = ", ".join(f"{count:,} {part}" for part, count in found.samples.items()) or "none"
        print_line(f"{folder}: {found.modality}, {found.classes} classes, samples: {counts}")
        if known is not None:
            print_line(f"published: {known.classes} classes, samples: {amounts(known)}")
        if len(sections) < len(known.datasets if known else sections):
            print_line(f"read as {', '.join(section.dataset for section in sections)}; the other variants are not here")
        for fault in found.faults:
            print_line(f"{fault.path}: {fault.reason}")
    if found.faults:
        first = f"{found.faults[0].path}: {found.faults[0].reason}"
        count = f"{len(found.faults)} faults, the first in " if len(found.faults) > 1 else ""
        todo = "restore what stdout lists, or train without damaged files by --set data.skip_damaged=true"
        raise InputError(folder, "whole, readable data", f"{count}{first}", todo)


def _sections(known: "PublishedSet", folder: Path) -> list["DataSection"]:
    """The `data` section of each way to read a set that is here: that of its first recipe, else the defaults."""
    from crosspath.modalities import MODALITIES
    from crosspath.recipes import PRETRAINING, RECIPES

    shipped = [recipe().data for table in (RECIPES, PRETRAINING) for recipe in table.values()]
    sections = []
    for dataset in known.here(folder) or known.datasets:
        default = MODALITIES[known.modality].data_section({"dataset": dataset})
        sections.append(next((section for section in shipped if section.dataset == dataset), default))
    return sections


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


@contextmanager
def _bar() -> Iterator["Progress"]:
    """A bar on stderr; where that is no terminal, a line when something new begins."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(file=sys.stderr)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)
        now = ""

        def progress(what: str, done: int, total: int | None) -> None:
            nonlocal now
            if what != now:
                now = what
                bar.reset(task, description=what)
                if not console.is_terminal:
                    _say(what)
            bar.update(task, completed=done, total=total)

        yield progress
