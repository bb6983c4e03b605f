"""The Command line page of the site, written from the commands themselves: `python -m crosspath.cli.reference`."""

import re
import sys

from crosspath.cli.main import build_app

INTRODUCTION = """\
# Command line

`crosspath VERB --help` prints the entry of one verb. Results go to stdout; progress, notes and errors go to stderr.
With `--json`, stdout is exactly one JSON object.

| exit code | meaning |
| --- | --- |
| 0 | success |
| 1 | an unexpected error, with its traceback |
| 2 | invalid input: one line on stderr names the place, what was expected, what was found and what to do |
| 130 | interrupted |
"""
NEXT = "Next: [the same steps from Python](api/runs.md), or [your own data](data.md)."


def command_reference() -> str:
    """Every verb with its usage, description, example, arguments and options, as one Markdown page."""
    text = build_app().generate_docs(heading_level=1, usage_name="crosspath")
    verbs = text[text.index("## Table of Contents") :]
    # The list of verbs has its own heading, and the page a sidebar: a table of contents would repeat both.
    verbs = verbs[verbs.index("**Commands**:") :].replace("**Commands**:", "## Verbs", 1)
    # The usage lines of cyclopts 5 repeat how this program was started.
    verbs = re.sub(r" -m \S+(?= (?:\[OPTIONS\]|--))", "", verbs)
    verbs = re.sub(r"^(#+) crosspath (.+)$", r"\1 \2", verbs, flags=re.MULTILINE)
    verbs = re.sub(r"\]\(#crosspath-", "](#", verbs)
    verbs = re.sub(r"^Example: `(.+)`$", r"Example:\n\n```console\n\1\n```", verbs, flags=re.MULTILINE)
    return f"{INTRODUCTION}\n{verbs.strip()}\n\n{NEXT}\n"


if __name__ == "__main__":
    sys.stdout.write(command_reference())
