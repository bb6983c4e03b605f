"""Reads a pickle's opcodes and builds inert values from them: nothing that the pickle names is imported or called.

A pickle is a program for a small stack machine (protocols 0 to 5). Python's `pickletools` decodes it and says what
each opcode pops. Here the two opcodes that could do harm, looking a global up and calling it, only record that they
would.
"""

import io
import itertools
import pickletools
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from crosspath.errors import InputError

MOST_OPCODES = 3_000_000
"""A checkpoint's pickle has a few thousand, one with the state of an optimizer a million; these take some seconds."""
LONGEST_BYTES = 1 << 16
"""Arrays of numbers inside a pickle are longer; none of them is a name."""
LARGEST_TUPLE = 1_000_000
"""Values in a tuple and those inside it; far more than a checkpoint has."""


@dataclass(frozen=True)
class Global:
    """A class or function that loading would look up."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(eq=False)
class Call:
    """A call that loading would make, and what would be done to its result."""

    function: Any
    """Usually a `Global`."""
    arguments: Any
    state: Any = None
    """For `__setstate__`, or attributes."""
    items: list[Any] = field(default_factory=list)
    pairs: dict[Any, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class PersistentId:
    """A reference to data outside the pickle: torch keeps a tensor's numbers there."""

    value: Any


@dataclass(frozen=True)
class Pickle:
    """The inert contents of one pickle."""

    value: Any
    names: tuple[Global, ...]
    """All that it looks up, in order, each once."""
    opcodes: int
    """How many it has."""


ORDERED_DICT = Global("collections", "OrderedDict")
COMPUTED_NAME = Global("a name", "computed while loading")


def read_pickle(data: bytes | BinaryIO, where: object, most: int = MOST_OPCODES) -> Pickle:
    """The first pickle in `data`, as inert values; a stream is left at the byte after it.

    Raises
    ------
    InputError
        For something that is no pickle, or one that is cut short or has more than `most` opcodes.
    """
    machine = _Machine()
    opcodes = pickletools.genops(io.BytesIO(data) if isinstance(data, bytes) else data)
    try:
        for opcode, argument, _ in itertools.islice(opcodes, most):
            machine.step(opcode, argument)
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, MemoryError):
        names = ", ".join(map(str, list(machine.names)[:3]))
        found = "damage" + (f" in one that looks up {names}" if names else "")
        raise InputError(where, "a complete pickle", found, "copy or write it again") from None
    if not machine.stopped:
        raise InputError(where, f"pickles of at most {MOST_OPCODES:,} opcodes", "more", "do not open it")
    return Pickle(machine.value, tuple(machine.names), machine.count)


class _Machine:
    """The stack, the memo, and what was looked up."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        """Heights of the stack at which a mark lies."""
        self.memo: dict[int, Any] = {}
        self.names: dict[Global, None] = {}
        self.tuples: dict[int, tuple[tuple[Any, ...], int]] = {}
        """{id: (a tuple, how many values it holds)}."""
        self.value: Any = None
        self.stopped = False
        self.count = 0

    def step(self, opcode: pickletools.OpcodeInfo, argument: Any) -> None:
        """One opcode: pop what it takes, push what it makes."""
        self.count += 1
        if opcode.name == "POP" and self.marks and self.marks[-1] == len(self.stack):
            self.marks.pop()
            return
        operands = self._pop(opcode.stack_before)
        match opcode.name:
            case "PROTO" | "FRAME" | "READONLY_BUFFER" | "POP" | "POP_MARK":
                pass
            case "STOP":
                self.value, self.stopped = operands[0], True
            case "MARK":
                self.marks.append(len(self.stack))
            case "NONE" | "NEWTRUE" | "NEWFALSE" | "NEXT_BUFFER":
                self.stack.append({"NEWTRUE": True, "NEWFALSE": False, "NEXT_BUFFER": b""}.get(opcode.name))
            case "EMPTY_LIST" | "LIST" | "EMPTY_SET" | "FROZENSET":
                self.stack.append(operands)
            case "EMPTY_TUPLE" | "TUPLE" | "TUPLE1" | "TUPLE2" | "TUPLE3":
                self.stack.append(self._tuple(operands))
            case "EMPTY_DICT" | "DICT":
                self.stack.append(_add_pairs({}, operands))
            case "APPEND" | "APPENDS" | "ADDITEMS":
                self.stack.append(_add_items(operands[0], operands[1:]))
            case "SETITEM" | "SETITEMS":
                self.stack.append(_add_pairs(operands[0], operands[1:]))
            case "GLOBAL":
                self.stack.append(self._global(*argument.split(" ", 1)))
            case "STACK_GLOBAL":
                self.stack.append(self._global(*operands))
            case "EXT1" | "EXT2" | "EXT4":
                self.stack.append(self._global("an extension of copyreg", f"code {argument}"))
            case "INST":
                self.stack.append(_call(self._global(*argument.split(" ", 1)), tuple(operands)))
            case "OBJ":
                self.stack.append(_call(operands[0], tuple(operands[1:])))
            case "REDUCE" | "NEWOBJ":
                self.stack.append(_call(operands[0], operands[1]))
            case "NEWOBJ_EX":
                self.stack.append(_call(operands[0], (operands[1], operands[2])))
            case "BUILD":
                if isinstance(operands[0], Call):
                    operands[0].state = operands[1]
                self.stack.append(operands[0])
            case "PERSID":
                self.stack.append(PersistentId(argument))
            case "BINPERSID":
                self.stack.append(PersistentId(operands[0]))
            case "DUP":
                self.stack += operands * 2
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                self.memo[argument] = self.stack[-1]
            case "MEMOIZE":
                self.stack += operands
                self.memo[len(self.memo)] = operands[0]
            case "GET" | "BINGET" | "LONG_BINGET":
                self.stack.append(self.memo[argument])
            case _ if opcode.arg is not None:  # a number, a string, bytes
                long = isinstance(argument, bytes | bytearray) and len(argument) > LONGEST_BYTES
                self.stack.append(b"" if long else argument)
            case name:
                raise ValueError(f"unknown opcode {name}")

    def _pop(self, kinds: list[pickletools.StackObject]) -> list[Any]:
        """Take from the stack what an opcode takes: single values, then all values since the last mark."""
        has_mark = pickletools.markobject in kinds
        single = kinds.index(pickletools.markobject) if has_mark else len(kinds)
        start = (self.marks.pop() if has_mark else len(self.stack)) - single
        if start < (self.marks[-1] if self.marks else 0):
            raise IndexError("an empty stack")
        operands = self.stack[start:]
        del self.stack[start:]
        return operands

    def _tuple(self, values: list[Any]) -> tuple[Any, ...]:
        """A tuple of a bounded number of values: to hash one, as a key, takes torch's unpickler as many steps."""
        count = 1 + sum(self.tuples[id(value)][1] if type(value) is tuple else 1 for value in values)
        if count > LARGEST_TUPLE:
            raise OverflowError("a tuple that holds itself too often")
        result = tuple(values)
        self.tuples[id(result)] = (result, count)
        return result

    def _global(self, module: Any, name: Any) -> Global:
        entry = Global(module, name) if isinstance(module, str) and isinstance(name, str) else COMPUTED_NAME
        self.names[entry] = None
        return entry


def _call(function: Any, arguments: Any) -> Any:
    return {} if function == ORDERED_DICT and not arguments else Call(function, arguments)


def _add_items(container: Any, values: list[Any]) -> Any:
    items = container.items if isinstance(container, Call) else container
    if isinstance(items, list):
        items += values
    return container


def _add_pairs(container: Any, values: list[Any]) -> Any:
    pairs = container.pairs if isinstance(container, Call) else container
    if isinstance(pairs, dict):
        for key, value in zip(values[::2], values[1::2], strict=True):
            # Others are not hashed: a nest of tuples can take forever.
            pairs[key if isinstance(key, str | int | float | bytes) else f"<{type(key).__name__}>"] = value
    return container
