"""`crosspath data`: list, describe, download and check data sets."""

from collections.abc import Callable, Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from crosspath.cli.options import DataRoot, Json, Overrides, data_and_settings
from crosspath.cli.output import print_json, print_line, print_next, print_table
from crosspath.cli.published_set import presence, print_set, print_steps, sample_counts, set_facts
from crosspath.counts import quantity
from crosspath.errors import InputError

if TYPE_CHECKING:
    from crosspath.catalogue.check import CheckReport
    from crosspath.catalogue.published_set import PublishedSet
    from crosspath.config import Recipe
    from crosspath.config.data import DataSection
    from crosspath.training.progress import Bar

data = App(
    name="data",
    help="""List, describe, download and check data sets.

    Example: `crosspath data get esc50`
    """,
)


@data.command(name="list", sort_key=0)
def list_(*, data: DataRoot = None, json: Json = False) -> None:
    """List the data sets of the shipped recipes, and show which of them are present.

    Example: `crosspath data list --data DIR`
    """
    from crosspath.catalogue.sets import PUBLISHED_SETS
    from crosspath.data.places import data_root

    root = data_root(data)
    if json:
        print_json({"root": str(root), "sets": [set_facts(entry, root) for entry in PUBLISHED_SETS.values()]})
        return
    rows = [
        (
            entry.name,
            entry.modality,
            f"{entry.classes:,}",
            f"{sum(entry.samples.values()):,}",
            "download" if entry.archives else "by hand",
            presence(entry, root),
        )
        for entry in PUBLISHED_SETS.values()
    ]
    print_table(("name", "modality", "classes", "samples", "source", "present"), rows, f"data sets in {root}")
    for heading, without_files in (("Without files", True), ("Of your own files", False)):
        print_line(
            fill(f"{heading}: {', '.join(recipes_of(without_files=without_files))}.", 100, break_on_hyphens=False)
        )
    print_next("crosspath", "data", "show", "NAME")


def recipes_of(*, without_files: bool) -> list[str]:
    """The recipes to train with that need no files; else those of the user's own."""
    from crosspath.data.places import SET_FOLDERS
    from crosspath.recipes import RECIPES

    sets = {name: build().data.dataset for name, build in RECIPES.items()}
    if without_files:
        return [name for name, dataset in sets.items() if dataset not in (*SET_FOLDERS, "folder", "shards")]
    return [name for name, dataset in sets.items() if dataset == "folder"]


@data.command(sort_key=1)
def show(name: str, /, *, data: DataRoot = None, json: Json = False) -> None:
    """Show a data set: its licence, size, folder layout and recipes, and how to obtain it. Of a folder of your own:
    what it is read as, its classes, and the samples of each; no file is decoded.

    Example: `crosspath data show modelnet40`

    Parameters
    ----------
    name
        A name from `crosspath data list`, or a folder.
    """
    from crosspath.catalogue.sets import PUBLISHED_SETS, find_set
    from crosspath.data.places import data_root

    if name not in PUBLISHED_SETS and Path(name).exists():
        _show_folder(Path(name), json=json)
        return
    entry, root = find_set(name), data_root(data)
    if json:
        print_json(set_facts(entry, root))
        return
    print_set(entry, root)
    if presence(entry, root) == "yes":
        print_next("crosspath", "data", "check", root / entry.folder)
    else:
        print_next("crosspath", "data", "get", entry.name)


def _show_folder(folder: Path, *, json: bool) -> None:
    from crosspath.catalogue.folder_facts import folder_facts
    from crosspath.catalogue.recognise import recognise_set, with_name

    entry = recognise_set(folder)
    if entry is not None:
        root = with_name(folder).parent
        print_json(set_facts(entry, root)) if json else print_set(entry, root)
        return
    facts = folder_facts(folder)
    if json:
        print_json(facts)
        return
    classes = facts["classes"]
    class_count = quantity(len(classes), "class", "classes")
    print_line(f"{folder}: {facts['modality']}, {class_count}, {quantity(facts['samples'], 'sample')}, not decoded")
    print_line(f"recipe: {facts['recipe'] or 'none shipped'}")
    if facts["unread"]:
        kinds = (f"{count:,} {kind}" for kind, count in facts["unread"].items())
        print_line(f"not read: {', '.join(kinds)}")
    rows = [(name, "not counted" if count is None else f"{count:,}") for name, count in classes.items()]
    print_table(("class", "samples"), rows)
    print_next("crosspath", "data", "check", folder)


@data.command(sort_key=2)
def get(name: str, /, *, data: DataRoot = None, json: Json = False) -> None:
    """Download a data set and arrange its folder; an interrupted download resumes.

    Example: `crosspath data get esc50 --data DIR`

    Published checksums are verified; others are recorded in the folder's SOURCE.json. For a set that is only available
    on request, the command prints the steps to obtain it and exits with code 2.

    Parameters
    ----------
    name
        A name from `crosspath data list`.
    """
    from crosspath.catalogue.get import get as get_set
    from crosspath.catalogue.sets import find_set
    from crosspath.data.places import data_root
    from crosspath.training.progress import open_bar

    entry, root = find_set(name), data_root(data)
    if not entry.archives:
        print_json(set_facts(entry, root)) if json else print_steps(entry, root)
        todo = "follow the steps on stdout, then run `crosspath data check`"
        raise InputError(entry.name, "a set that can be downloaded", "one that is available on request", todo)
    with open_bar() as bar:
        bar.line(f"{entry.name}: {entry.licence} ({entry.terms})")
        record = get_set(entry, root, _progress(bar), bar.line)
    if json:
        print_json({**record, "folder": str(root / entry.folder)})
        return
    for archive in record["archives"]:
        status = "verified" if archive["verified"] else "recorded, not verified: no checksum is published"
        print_line(f"{archive['address']}: {archive['size']:,} bytes, sha256 {archive['sha256']} ({status})")
    print_line(f"{entry.name} is in {root / entry.folder}")
    print_next("crosspath", "data", "check", root / entry.folder)


@data.command(sort_key=3)
def check(
    folder: Path,
    /,
    *,
    recipe: Annotated[str | None, Parameter(name="--recipe")] = None,
    set_: Overrides = (),
    json: Json = False,
) -> None:
    """Check a data folder: nothing is missing, every file can be decoded, and a run could begin. Bad files, and the
    kinds of files that are not read, are listed on stdout.

    Example: `crosspath data check DIR/esc10`

    The command exits with code 0 if the folder is complete, else with code 2. A published set is recognised by the name
    of its folder; any other folder is read as class folders, of the modality of most of its files, by the recipe
    `image/folder`, `audio/folder`, `point/folder`, `video/folder`, `series/folder` or `text/folder`; a file of MedMNIST
    by `image/medmnist`, lidar scans by `point/lidar`, pictures with masks by `image/masks`, with COCO's boxes by
    `image/boxes`. With `--recipe` it answers for a run of that recipe: the same split, the same limits, and code 0
    where `data.skip_damaged` leaves bad files out.

    Parameters
    ----------
    folder
        The folder of one data set.
    recipe
        The recipe that reads the folder, such as `point/scanobjectnn-hardest`, or a `.yaml` file.
    set_
        Override a setting of the recipe: `section.field=value`, such as `data.csv=list.csv`. Repeatable.
    """
    from crosspath.catalogue.check import check as check_folder
    from crosspath.catalogue.check import guess_section, own_recipe, recognise_set, sections_of_set
    from crosspath.config import apply_overrides
    from crosspath.modalities.load import with_absolute_folder
    from crosspath.recipes import any_recipe_named
    from crosspath.training.progress import reporter

    entry = recognise_set(folder) if recipe is None else None
    reading: Recipe | None = None
    if set_ and recipe is None:
        own = own_recipe(guess_section(folder)) if entry is None else None
        if own is None:
            raise InputError("--set", "a recipe to change", "none", "name it with --recipe")
        recipe = own.name
    if recipe is not None:
        reading = apply_overrides(any_recipe_named(recipe), set_)
        sections = [with_absolute_folder(reading.data, folder)]
    elif entry is not None:
        sections = sections_of_set(entry, folder)
    else:
        sections = [guess_section(folder)]
        reading = own_recipe(sections[0])
    if reading is not None:
        reading = reading.model_copy(update={"data": sections[0]})
    with reporter(True) as listener:
        seed = 0 if reading is None else reading.train.seed
        report = check_folder(folder, entry, sections, listener.preparing, seed)
    print_json(report.to_json()) if json else _print_report(report, entry, sections, reading)
    _refuse(report, folder, reading)
    if json:
        return
    recipe_name = recipe or ("" if reading is None else reading.name)
    if recipe_name:
        print_next("crosspath", "train", recipe_name, *data_and_settings(folder, set_))
    elif entry is not None:
        print_next("crosspath", "data", "show", entry.name)


def _refuse(report: "CheckReport", folder: Path, recipe: "Recipe | None") -> None:
    """Raise `InputError` for what is wrong: the faults together, else what a run of the recipe would end with."""
    from crosspath.training.demands import check_alone

    if report.faults and (recipe is None or (report.damaged and not recipe.data.skip_damaged)):
        first = f"{report.faults[0].path}: {report.faults[0].reason}"
        count = f"{len(report.faults)} faults, the first in " if len(report.faults) > 1 else ""
        raise InputError(folder, "complete, readable data", f"{count}{first}", report.todo)
    if report.refusal is not None:
        raise report.refusal
    if recipe is not None and report.data is not None:
        check_alone(recipe, report.data)


def _print_report(
    report: "CheckReport",
    entry: "PublishedSet | None",
    sections: "Sequence[DataSection]",
    recipe: "Recipe | None",
) -> None:
    counts = ", ".join(f"{count:,} {part}" for part, count in report.samples.items()) or "none"
    classes = quantity(report.classes, "class", "classes")
    print_line(f"{report.folder}: {report.modality}, {classes}, samples: {counts}")
    if recipe is not None and report.used:
        parts = ", ".join(f"{count:,} {part}" for part, count in report.used.items())
        print_line(f"a run of {recipe.name} uses {parts}")
    if entry is not None:
        print_line(f"published: {entry.classes} classes, samples: {sample_counts(entry)}")
    if len(sections) < len(entry.datasets if entry else sections):
        print_line(f"read as {', '.join(section.dataset for section in sections)}; the other variants are missing")
    for note in report.notes:
        print_line(note)
    for fault in report.faults:
        print_line(f"{fault.path}: {fault.reason}")


def _progress(bar: "Bar") -> Callable[[str, int, int | None], None]:
    """Show every new stage of a download: as a bar, or as a line where stderr is not a terminal."""

    def update(stage: str, count: int, total: int | None) -> None:
        if stage != bar.label and not bar.console.is_terminal:
            bar.line(stage)
        bar.count(stage, count, total)

    return update
