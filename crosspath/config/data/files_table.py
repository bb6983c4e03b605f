"""What the `data` sections share of modalities whose samples are files that a table may list."""

from crosspath.config.data.section import DataSection


class FilesTable(DataSection):
    """A table of files instead of class folders."""

    csv: str | None = None
    """A table inside `folder` instead of class folders; the columns below name its parts. With the objective
    `regression` it is `labels.csv`, or the only table there, when not given."""
    file_column: str = "file"
    label_column: str = "label"
    """One label, or several separated by `;`, `|` or `,`; or a number. `label_columns` names several columns."""
    split_column: str | None = None
    """A column holding `train`, `val` or `test`."""
    encoding: str | None = None
    """Of the table, such as `cp1252`; its byte order mark says it, else it is UTF-8, when not given."""
