"""Names under which quantisers store packed weights and their scales."""

from collections.abc import Iterable

from crosspath.counts import quantity
from crosspath.errors import PathwayError

MARKS = {
    "qweight": "GPTQ or AWQ",
    "qzeros": "GPTQ or AWQ",
    "W_q": "HQQ",
    "SCB": "bitsandbytes",
    "absmax": "bitsandbytes",
    "quant_map": "bitsandbytes",
    "weight_packed": "compressed-tensors",
    "weight_scale": "compressed-tensors, or fp8 with scales",
    "weight_scale_inv": "fp8 with scales",
    "weight_scales": "EETQ",
    "scale_weight": "ComfyUI's fp8 with scales",
    "scaled_fp8": "ComfyUI's fp8 with scales",
    "_packed_params": "torch",
    "weight_qdata": "torchao",
    "codebooks": "AQLM",
    "_data": "Quanto",
}
"""{last part of a stored name: the quantiser}."""


def refuse_quantised_names(where: str, names: Iterable[str]) -> None:
    """Raise `PathwayError` where stored names are those of a quantiser."""
    marks = [name for name in names if name.rpartition(".")[2] in MARKS]
    if marks:
        kind = MARKS[marks[0].rpartition(".")[2]]
        found = f"{quantity(len(marks), 'name')} of quantised ones, such as {marks[0]} ({kind})"
        raise PathwayError(where, "floating-point weights", found, "pass it as it was before quantising")
