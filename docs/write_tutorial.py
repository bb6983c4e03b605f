"""Run the tutorial and store its outputs: `python docs/write_tutorial.py`.

Progress and warnings (stderr) and run-dependent metadata are left out, so that a second run changes nothing but times.
"""

import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).with_name("tutorial.ipynb")


def execute(notebook: Path) -> nbformat.NotebookNode:
    """The notebook with fresh outputs, run in an empty folder by this Python.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        For a cell that raises, or a command that exits with another code than 0.
    """
    content = nbformat.read(notebook, as_version=4)
    # The cells of commands find `crosspath` beside this Python.
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    with tempfile.TemporaryDirectory() as folder:
        where = {"metadata": {"path": folder}}
        client = NotebookClient(content, timeout=300, kernel_name="python3", coalesce_streams=True, resources=where)
        client.execute(env={**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"})
    for cell in content.cells:
        cell.metadata.clear()
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    content.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    return content


if __name__ == "__main__":
    nbformat.write(execute(NOTEBOOK), NOTEBOOK)
