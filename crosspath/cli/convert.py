"""`crosspath convert`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from crosspath.cli.inspect import dropped_lines
from crosspath.cli.options import Json
from crosspath.cli.output import print_json, print_line


def convert(
    file: Path,
    out: Path,
    /,
    *,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative="", show_default=False)] = (),
    key: str | None = None,
    merge: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    bare: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    unsafe_pickle: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    json: Json = False,
) -> None:
    """Translate a foreign checkpoint, for `train --from` and `train --auxiliary`.

    Example: `crosspath convert mae_pretrain_vit_base.pth runs/mae`

    Known are files of MAE, AudioMAE, AST, VideoMAE, Point-MAE, Point-BERT, M2PT (the zoo and trained ones), timm and
    transformers; others with blocks of a known layout become bare weights, which serve as an auxiliary.

    Parameters
    ----------
    file
        A `.safetensors` or pickled file (`.pth`, `.pt`, `.bin`), or a folder of timm or transformers.
    out
        A new or empty folder for the checkpoint.
    set_
        `section.field=value` of the model, such as `data.image_size=384`; positions are resized to it.
    key
        The entry that holds the model, such as `model_ema`; found by itself when not given.
    merge
        Fold the pathways of a checkpoint trained with M2PT into its weights; they stay connected otherwise.
    bare
        Keep the weights as they are, as an auxiliary: for a model that is not rebuilt here.
    unsafe_pickle
        Unpickle a file that needs more than weights, in a separate process. Whatever code it holds runs as you.
    json
        Print one JSON object on stdout.
    """
    from crosspath.checkpoints.foreign import convert_checkpoint

    receipt = convert_checkpoint(file, out, settings=set_, key=key, merge=merge, bare=bare, unsafe=unsafe_pickle)
    if json:
        print_json(receipt)
        return
    print_line(f"{file}: {receipt['format']}, {len(receipt['used'])} tensors used, {len(receipt['dropped'])} dropped")
    for line in dropped_lines(receipt["dropped"]):
        print_line(line)
    if receipt["fresh"]:
        print_line(f"starts afresh: {', '.join(receipt['fresh'])}")
    if receipt["pathways"] != "none":
        print_line(f"pathways: {receipt['pathways']}")
    for note in receipt["notes"]:
        print_line(note)
    print_line(f"written to {out}" + (f" (recipe {receipt['recipe']})" if receipt["recipe"] else ""))
