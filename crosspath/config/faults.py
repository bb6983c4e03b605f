"""pydantic's validation errors, reworded for the user of a recipe; `recipe.py` finds their places."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from crosspath.errors import InputError, expectation_of


class Fault(NamedTuple):
    """The four parts of an `InputError`."""

    where: str
    expected: str
    found: str
    todo: str


def to_fault(where: str, detail: Mapping[str, Any]) -> Fault:
    """A pydantic error entry as a `Fault`; `where` is the dotted name of the value."""
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind == "missing" and isinstance(detail["loc"][-1], int):
        whole = where.rpartition(".")[0]
        expected = f"a list of {detail['loc'][-1] + 1} values or more"
        return Fault(whole, expected, repr(value), f"change {whole}")
    if kind == "missing":
        return Fault(where, "a value", "none", f"set {where}")
    if kind == "value_error" and isinstance(error := context["error"], InputError):
        return Fault(error.where, error.expected, error.found, error.todo)
    if kind == "value_error":
        return Fault(where, "sections that agree", str(context["error"]), "change one of the two")
    if kind == "union_tag_invalid":
        tag = f"{where}.{context['discriminator'].strip(chr(39))}"
        return Fault(tag, f"one of {context['expected_tags']}", repr(context["tag"]), f"change {tag}")
    todo = "import the module that adds it, or change modality" if where == "modality" else f"change {where}"
    return Fault(where, _expected(kind, value, context, detail["msg"]), repr(value), todo)


def _expected(kind: str, value: object, context: Mapping[str, Any], message: str) -> str:
    if kind in {"tuple_type", "list_type"}:
        return "a list such as " + (f"[{value}, {value}]" if isinstance(value, int | float) else f"[{value}]")
    if kind == "too_long":
        return f"a list of at most {context['max_length']} values"
    if kind in {"path_type", "path_not_directory", "path_not_file"}:
        return "a path"
    if kind in {"dict_type", "mapping_type"}:
        return "a mapping such as {0: 1}"
    if kind in {"model_type", "model_attributes_type"}:
        return "a section of settings"
    return expectation_of(message)


def merge_faults(faults: Sequence[Fault]) -> list[Fault]:
    """One fault per value: pydantic reports one for each type that a union allows.

    Faults inside a list or mapping replace those of the whole, since the user evidently meant the list or mapping.
    """
    deepest = [fault for fault in faults if not any(other.where.startswith(f"{fault.where}.") for other in faults)]
    by_place: dict[str, list[Fault]] = {}
    for fault in deepest:
        by_place.setdefault(fault.where, []).append(fault)
    return [
        same[0]._replace(expected=", or ".join(dict.fromkeys(fault.expected for fault in same)))
        for same in by_place.values()
    ]
