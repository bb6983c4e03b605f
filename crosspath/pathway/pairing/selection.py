"""Which roles a user chooses: a word for a group of them, or their names."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from crosspath.errors import PathwayError, suggest
from crosspath.layouts import ATTENTION_ROLES, MLP_ROLES, ROLES, Role
from crosspath.pathway.anatomy.anatomy import Anatomy

Roles = Literal["all", "attention", "mlp"] | Iterable[str]

GROUPS: dict[str, tuple[Role, ...]] = {"all": ROLES, "attention": ATTENTION_ROLES, "mlp": MLP_ROLES}
"""Roles that one word chooses; a role of these that neither model has is no mismatch."""


@dataclass(frozen=True)
class Selection:
    """The roles that are chosen."""

    group: str | None
    """The word, where one chose them."""
    names: tuple[Role, ...]

    def includes(self, role: Role) -> bool:
        """Whether a role is chosen: by name, or as one of the word's, in any attention or mlp of a block."""
        if self.group is None:
            return role in self.names
        return self.group == "all" or role.rpartition(".")[2] in self.names

    def check(self, *anatomies: Anatomy) -> None:
        """Raise `PathwayError` for a name that is no role of these models."""
        existing = dict.fromkeys((*ROLES, *(role for anatomy in anatomies for _, role in anatomy.slots)))
        check_names(self.names, tuple(existing), "roles")


def select_roles(roles: Roles) -> Selection:
    """The selection that `roles=` describes.

    Raises
    ------
    PathwayError
        Where no role is named.
    """
    if isinstance(roles, str) and roles in GROUPS:
        return Selection(roles, GROUPS[roles])
    names = (roles,) if isinstance(roles, str) else tuple(dict.fromkeys(roles))
    if not names:
        raise PathwayError("roles", "at least one role", "none", "name one, or leave roles= out")
    return Selection(None, names)


def check_names(names: Iterable[str], choices: tuple[str, ...], argument: str) -> tuple[str, ...]:
    """The names as a tuple. Raises `PathwayError` for one that is not allowed."""
    names = (names,) if isinstance(names, str) else tuple(names)
    for name in names:
        if name not in choices:
            todo = suggest(str(name), choices, "choose one of these")
            raise PathwayError(argument, ", ".join(choices), repr(name), todo)
    return names
