"""Run the tutorials and store their outputs: `python docs/write_tutorial.py [tutorial] [two-folders]`.

Progress and warnings (stderr) and run-dependent metadata are left out, so that a second run changes nothing but times
and what depends on them: `two-folders` races for ten minutes.
"""

import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

DOCS = Path(__file__).parent
NAMES = ("tutorial", "two-folders")
LONGEST_CELL_S = 1800


def execute(notebook: Path, before: str = "") -> nbformat.NotebookNode:
    """The notebook with fresh outputs, run in an empty folder by this Python, after a cell `before` it.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        For a cell that raises, or a command that exits with another code than 0.
    """
    content = nbformat.read(notebook, as_version=4)
    content.cells.insert(0, nbformat.v4.new_code_cell(before))
    # The cells of commands find `crosspath` beside this Python.
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    with tempfile.TemporaryDirectory() as folder:
        where = {"metadata": {"path": folder}}
        client = NotebookClient(
            content, timeout=LONGEST_CELL_S, kernel_name="python3", coalesce_streams=True, resources=where
        )
        client.execute(env={**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"})
    del content.cells[0]
    for cell in content.cells:
        cell.metadata.clear()
        if cell.cell_type == "code":
            cell.outputs = [_portable(output, folder) for output in cell.outputs if output.get("name") != "stderr"]
    content.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    return content


def _portable(output: nbformat.NotebookNode, folder: str) -> nbformat.NotebookNode:
    """The output with paths relative to the folder that it ran in, which is gone."""
    texts = output if "text" in output else output.get("data", {})
    for kind, text in texts.items():
        if isinstance(text, str):
            for place in (str(Path(folder).resolve()), folder):
                text = text.replace(f"{place}/", "")
            texts[kind] = text
    return output


if __name__ == "__main__":
    for name in sys.argv[1:] or NAMES:
        nbformat.write(execute(DOCS / f"{name}.ipynb"), DOCS / f"{name}.ipynb")
