"""Reads a pickle's opcodes and builds inert values from them: nothing that the pickle names is imported or called.

A pickle is a program for a small stack machine (protocols 0 to 5, Python's `pickletools`). Here the machine runs with
the two instructions that could do harm, looking a global up and calling it, replaced by writing down that it would.
"""

import io
import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from crosspath.errors import InputError


@dataclass(frozen=True)
class Named:
    """A class or function that loading would look up."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(eq=False)
class Made:
    """What a call would have made, and what would have been done to it."""

    what: Any
    """Whom it calls: mostly a `Named`."""
    arguments: Any
    state: Any = None
    """What it would be told to become (`__setstate__`, or attributes)."""
    items: list[Any] = field(default_factory=list)
    pairs: dict[Any, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Stored:
    """A reference to data outside the pickle: torch keeps a tensor's numbers there."""

    where: Any


@dataclass
class Pickle:
    """One pickle, looked at."""

    value: Any
    names: list[Named]
    """All that it looks up, in order, each once."""


ORDERED_DICT = Named("collections", "OrderedDict")
COMPUTED = Named("a name", "computed while loading")
_MARK = object()


def look(data: bytes | BinaryIO, where: object) -> Pickle:
    """The first pickle in `data`, as inert values; a stream stands behind it afterwards.

    Raises
    ------
    InputError
        For something that is no pickle, or one that is cut short.
    """
    machine = _Machine()
    try:
        for opcode, argument, _ in pickletools.genops(io.BytesIO(data) if isinstance(data, bytes) else data):
            machine.step(opcode.name, argument)
        return Pickle(machine.stack[-1], list(machine.names))
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, MemoryError):
        raise InputError(where, "a whole pickle", "damage", "copy or write it again") from None


class _Machine:
    """The stack, the memo, and what was looked up."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.names: dict[Named, None] = {}

    def step(self, opcode: str, argument: Any) -> None:
        """One instruction."""
        if opcode in _CONSTANTS:
            self.stack.append(_CONSTANTS[opcode]())
        elif opcode in _LITERALS:
            self.stack.append(argument)
        elif opcode not in _SILENT:
            getattr(self, f"_{opcode.lower()}")(argument)

    def _named(self, module: Any, name: Any) -> None:
        found = Named(module, name) if isinstance(module, str) and isinstance(name, str) else COMPUTED
        self.names[found] = None
        self.stack.append(found)

    def _call(self, what: Any, arguments: Any) -> None:
        self.stack.append({} if what == ORDERED_DICT and not arguments else Made(what, arguments))

    def _since_mark(self) -> list[Any]:
        place = len(self.stack) - 1 - self.stack[::-1].index(_MARK)
        taken = self.stack[place + 1 :]
        del self.stack[place:]
        return taken

    def _global(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self._named(module, name)

    def _stack_global(self, _: object) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self._named(module, name)

    def _inst(self, argument: str) -> None:
        arguments = tuple(self._since_mark())
        self._global(argument)
        self._call(self.stack.pop(), arguments)

    def _obj(self, _: object) -> None:
        what, *arguments = self._since_mark()
        self._call(what, tuple(arguments))

    def _reduce(self, _: object) -> None:
        arguments, what = self.stack.pop(), self.stack.pop()
        self._call(what, arguments)

    _newobj = _reduce

    def _newobj_ex(self, _: object) -> None:
        keywords, arguments, what = self.stack.pop(), self.stack.pop(), self.stack.pop()
        self._call(what, (arguments, keywords))

    def _build(self, _: object) -> None:
        state = self.stack.pop()
        if isinstance(self.stack[-1], Made):
            self.stack[-1].state = state

    def _extension(self, code: int) -> None:
        self._named("an extension of copyreg", f"code {code}")

    _ext1 = _ext2 = _ext4 = _extension

    def _persid(self, argument: Any) -> None:
        self.stack.append(Stored(argument))

    def _binpersid(self, _: object) -> None:
        self.stack.append(Stored(self.stack.pop()))

    def _mark(self, _: object) -> None:
        self.stack.append(_MARK)

    def _pop(self, _: object) -> None:
        self.stack.pop()

    def _pop_mark(self, _: object) -> None:
        self._since_mark()

    def _dup(self, _: object) -> None:
        self.stack.append(self.stack[-1])

    def _put(self, place: int) -> None:
        self.memo[place] = self.stack[-1]

    _binput = _long_binput = _put

    def _memoize(self, _: object) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def _get(self, place: int) -> None:
        self.stack.append(self.memo[place])

    _binget = _long_binget = _get

    def _list(self, _: object) -> None:
        self.stack.append(self._since_mark())

    def _tuple(self, _: object) -> None:
        self.stack.append(tuple(self._since_mark()))

    def _frozenset(self, _: object) -> None:
        self.stack.append(self._since_mark())

    def _last(self, count: int) -> None:
        taken = tuple(self.stack[-count:])
        del self.stack[-count:]
        self.stack.append(taken)

    def _tuple1(self, _: object) -> None:
        self._last(1)

    def _tuple2(self, _: object) -> None:
        self._last(2)

    def _tuple3(self, _: object) -> None:
        self._last(3)

    def _dict(self, _: object) -> None:
        taken = self._since_mark()
        self.stack.append({})
        self._set(taken)

    def _append(self, _: object) -> None:
        self._add([self.stack.pop()])

    def _appends(self, _: object) -> None:
        self._add(self._since_mark())

    _additems = _appends

    def _setitem(self, _: object) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set([key, value])

    def _setitems(self, _: object) -> None:
        self._set(self._since_mark())

    def _add(self, values: list[Any]) -> None:
        whole = self.stack[-1]
        if isinstance(whole, Made):
            whole.items += values
        elif isinstance(whole, list):
            whole += values

    def _set(self, values: list[Any]) -> None:
        whole = self.stack[-1]
        pairs = whole.pairs if isinstance(whole, Made) else whole
        if isinstance(pairs, dict):
            for key, value in zip(values[::2], values[1::2], strict=True):
                pairs[key if isinstance(key, str | int | float | bytes) else f"<{type(key).__name__}>"] = value


_SILENT = frozenset({"PROTO", "FRAME", "STOP", "READONLY_BUFFER"})
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "EMPTY_SET": list,
    "NEXT_BUFFER": bytes,
}
_LITERALS = frozenset(
    {
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
        *("STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
        *("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    }
)
