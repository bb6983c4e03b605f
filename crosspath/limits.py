"""How much a single file may ask for before it is read: one limit a kind, all declared here.

A few hundred bytes can stand for a billion rows, pixels or samples. Each limit is far above what data sets hold, and an
environment variable of its name sets another one. What a limit refuses names the limit and the number to set.
"""

import os
from dataclasses import dataclass

from crosspath.errors import InputError


@dataclass(frozen=True)
class Limit:
    """The most of something that one file may hold."""

    variable: str
    """The environment variable that sets it."""
    unit: str
    default: int

    @property
    def most(self) -> int:
        """The limit in force. Raises `InputError` for a variable that is no whole number above 0."""
        text = os.environ.get(self.variable, "")
        if not text:
            return self.default
        if not (text.isascii() and text.isdecimal() and len(text) < 19 and int(text) > 0):
            raise InputError(self.variable, "a whole number above 0", repr(text), "correct it, or unset it")
        return int(text)

    def excess(self, amount: int) -> str | None:
        """Why a file that asks for `amount` is not read, and what to set; None where it is within the limit."""
        if amount <= self.most:
            return None
        return f"it has {amount:,} {self.unit}, more than {self.most:,}: set {self.variable}={amount} to read it"


PIXELS = Limit("CROSSPATH_MAX_PIXELS", "pixels", 89_478_485)
"""Of a picture, as stored or resized, and of a frame of a film. Pillow's own limit, from which on it warns."""
SECONDS = Limit("CROSSPATH_MAX_SECONDS", "seconds of sound", 3_600)
"""Of a recording, which is held in memory as a whole."""
SAMPLES = Limit("CROSSPATH_MAX_SAMPLES", "samples", 1_000_000)
"""Of a set in one h5 file, which can promise rows that it does not hold."""
BYTES = Limit("CROSSPATH_MAX_BYTES", "bytes", 1 << 29)
"""Of one sample, table or list, as it lies in the memory: a file, a member of an archive, a row of an h5 file; or
at the sizes of a recipe."""
PICKLE_BYTES = Limit("CROSSPATH_MAX_PICKLE_BYTES", "bytes of pickles", 1 << 26)
"""Of all pickles in a zip. Those of checkpoints are far smaller: their numbers lie beside them."""
LIMITS = (PIXELS, SECONDS, SAMPLES, BYTES, PICKLE_BYTES)


def changed_limits() -> dict[str, int]:
    """{variable: limit} of those that differ from their defaults: other files may then be readable."""
    return {limit.variable: limit.most for limit in LIMITS if limit.most != limit.default}
