"""What `--dry-run` of `train` and `pretrain` prints."""

from pathlib import Path
from typing import TYPE_CHECKING

from crosspath.cli.output import print_json, print_line, print_note, print_table

if TYPE_CHECKING:
    from crosspath.config import Recipe


def print_dry_run(recipe: "Recipe", start_from: Path | None, *, json: bool) -> None:
    """Print the output of `--dry-run`: the resolved recipe, then sizes; those that depend on the data are marked."""
    import yaml

    from crosspath.training import plan as sizes_of

    if start_from is not None:
        print_note("--dry-run loads no weights: from --from it reads only a foundation model's shape")
    plan = sizes_of(recipe)
    if json:
        print_json(plan)
        return
    print_line(yaml.safe_dump(plan["recipe"], sort_keys=False, allow_unicode=True).rstrip())
    rows = [(name, _amount(name, value)) for name, value in plan.items() if name != "recipe"]
    print_table(("", "value"), rows)
    print_note("next: the same command without --dry-run")


def _amount(name: str, value: object) -> str:
    if value is None:
        return "from the data"
    if name.endswith("_bytes") and isinstance(value, int):
        return f"{value / 2**30:.2f} GiB"
    return f"{value:,}" if isinstance(value, int) else f"{value}"
