"""One configuration: how to build it, and what matching it has to give."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import nn


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """A tiny model of one architecture, or of one variant of it."""

    name: str
    """Library and model as people call it: `timm maxvit_tiny_tf_224`, `transformers LlamaModel, grouped queries`."""
    build: Callable[[], nn.Module]
    """A new model with random weights, on the CPU, with at least two blocks in a stage where the family allows it."""
    refusal: str | None = None
    """Why `connect` refuses it; None where the model connects whole."""
    roles: Mapping[str, str] = field(default_factory=dict)
    """{weight name inside a block: its role}, written by hand from the library's source. Of a fused weight the roles in
    the order of its rows, joined by `+`: `query+key+value` for shares one after the other, `head-major query+key+value`
    and `interleaved query+key+value` for the other orders. Roles: query, key, value, attention_output, mlp_in (the one
    input of a plain mlp; of a gated one the half that is not activated, Llama's up), mlp_gate (the half that the
    activation acts on), mlp_out. `none` is no role, whatever the name suggests; `mlp_out or none` leaves open whether
    the role is claimed; `another mlp_in` is that of a second branch, which is not to pair with the one of a block that
    has a single mlp."""
    complete: bool = False
    """Whether the table names every weight of the blocks that has one of these roles. Its keys are then ends of names,
    and where two names end alike, the longer end holds."""
    misleading: bool = False
    """Whether a name suggests another role than the weight has."""
    norm: str | None = None
    """Where the norms act, by the library's source: `pre`, `post` (on the residual stream) or `res-post` (on the
    branch, before it is added)."""
