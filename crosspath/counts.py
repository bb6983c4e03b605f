"""Numbers of things in words."""


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """`1 weight`, `1,200 weights`; a noun whose plural is not its own and an s names it."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"
