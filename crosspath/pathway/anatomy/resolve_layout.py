"""Layouts that a user names: a shipped one, with what its model does not state itself, or one of the user's own."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from crosspath.errors import PathwayError, suggest
from crosspath.layouts import LAYOUTS, ORDERS, ROLES, Layout, Order, Place, Role


def layout_named(name: str, *, heads: int | None = None, order: Order | None = None) -> Layout:
    """The shipped layout of this name, such as `timm blocks` or `transformers GPT-NeoX`.

    Parameters
    ----------
    heads
        The head count, for a source that does not state it (a state dict, a file).
    order
        How the rows of a fused query, key and value follow one another, where that differs from the layout's own order:
        `three-major`, `head-major` or `interleaved`.

    Raises
    ------
    PathwayError
        For an unknown name or order, or a head count below 1.
    """
    layouts = {layout.name: layout for layout in LAYOUTS}
    if name not in layouts:
        names = [repr(shipped_name) for shipped_name in layouts]
        todo = suggest(repr(name), names, "choose one of these", cutoff=0.3)
        raise PathwayError("layout", f"one of {', '.join(names)}", repr(name), todo)
    layout = layouts[name]
    if heads is not None:
        layout = replace(layout, heads=heads)
    if order is not None:
        roles = {role: replace(place, order=order) for role, place in layout.roles.items()}
        layout = replace(layout, roles=roles)
    return _check(layout, f"layout {name!r}")


def resolve_layout(layout: Layout | str | None, argument: str) -> Layout | None:
    """The layout of this name, or the user's own, checked; None where it is to be recognised automatically.

    Raises
    ------
    PathwayError
        For an unknown name, or a table that contradicts itself.
    """
    if layout is None:
        return None
    if isinstance(layout, str):
        return layout_named(layout)
    if not isinstance(layout, Layout):
        expected, found = "a layout's name or a crosspath.Layout", type(layout).__name__
        raise PathwayError(argument, expected, found, "pass one of these")
    return _check(layout, f"{argument} {layout.name!r}")


def _check(layout: Layout, where: str) -> Layout:
    """The layout itself. Raises one `PathwayError` with every fault of its table."""
    if not isinstance(layout.roles, Mapping) or not all(isinstance(place, Place) for place in layout.roles.values()):
        raise PathwayError(where, "roles={role: Place}", repr(layout.roles), "correct it")
    if faults := list(_type_faults(layout)):
        raise PathwayError.of(where, [f"{where}: {fault}; correct it" for fault in faults])
    roles = [*layout.roles, *layout.absent]
    faults = [f"expected roles of {', '.join(ROLES)}, found {role!r}" for role in roles if role not in ROLES]
    if not layout.roles:
        faults.append("expected at least one role, found none")
    if layout.block is None and layout.stage is not None:
        faults.append("expected a block beside the stage, found none")
    if isinstance(layout.heads, int) and layout.heads < 1:
        faults.append(f"expected a head count of 1 or more, found {layout.heads}")
    faults += list(_place_faults(layout.roles))
    if faults:
        raise PathwayError.of(where, [f"{where}: {fault}; correct it" for fault in faults])
    return layout


def _type_faults(layout: Layout) -> Iterator[str]:
    """Names that are no text, and shares that are no whole numbers."""
    for what in ("block", "stage", "mark"):
        if not isinstance(name := getattr(layout, what), str | None):
            yield f"expected text for the {what}, found {name!r}"
    for role, place in layout.roles.items():
        if not isinstance(place.weight, str):
            yield f"{role}: expected the name of its weight, found {place.weight!r}"
        if not isinstance(place.bias, str | None):
            yield f"{role}: expected the name of its bias, found {place.bias!r}"
        if not isinstance(place.part, int) or not isinstance(place.parts, int):
            yield f"{role}: expected whole numbers for part and parts, found {place.part!r} and {place.parts!r}"


def _place_faults(roles: Mapping[Role, Place]) -> list[str]:
    faults = []
    sharing: dict[str, list[tuple[str, Place]]] = {}
    for role, place in roles.items():
        sharing.setdefault(place.weight, []).append((role, place))
        if not 0 <= place.part < place.parts:
            faults.append(f"{role}: expected a part from 0 to {place.parts - 1}, found {place.part}")
        if place.order is not None and place.order not in ORDERS:
            faults.append(f"{role}: expected an order of {', '.join(ORDERS)}, found {place.order!r}")
    for weight, places in sharing.items():
        storage = {(place.parts, place.order, place.transposed) for _, place in places}
        if len(storage) > 1:
            faults.append(f"{weight}: expected its roles to agree on parts, order and transposed, found {len(storage)}")
        elif len({place.part for _, place in places}) < len(places):
            faults.append(f"{weight}: expected a part of its own for each of its roles, found one part given twice")
    return faults
