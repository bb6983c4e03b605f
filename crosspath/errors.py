"""The one error for what a user can mend. The command line prints it as one line and ends with 2."""


class InputError(ValueError):
    """Bad input, told in one line: where it is, what was expected, what was found, what to do.

    `where` is a dotted recipe name (`train.epochs`), a file, or a file and a row.
    """

    def __init__(self, where: object, expected: str, found: str, todo: str) -> None:
        self.where = str(where)
        self.expected = expected
        self.found = found
        self.todo = todo
        super().__init__(f"{self.where}: expected {expected}, found {found}; {todo}")

    def __reduce__(self) -> tuple[type["InputError"], tuple[str, str, str, str]]:
        """An exception is rebuilt from its one-line message otherwise, on its way between processes."""
        return InputError, (self.where, self.expected, self.found, self.todo)
