"""`crosspath convert`."""

from pathlib import Path

from crosspath.cli.inspect import leftover_lines
from crosspath.cli.options import Flag, Json, Overrides, data_and_settings
from crosspath.cli.output import print_json, print_line, print_next


def convert(
    file: Path,
    out: Path,
    /,
    *,
    set_: Overrides = (),
    key: str | None = None,
    merge: Flag = False,
    bare: Flag = False,
    unsafe_pickle: Flag = False,
    json: Json = False,
) -> None:
    """Convert a checkpoint of another library, for `train --from` and `train --auxiliary`.

    Example: `crosspath convert mae_pretrain_vit_base.pth runs/mae`

    Supported are the files of MAE, AudioMAE, AST, VideoMAE, Point-MAE, Point-BERT, M2PT (its published and its trained
    models), timm and transformers. Other files with blocks of a known layout are converted to bare weights, which can
    serve as an auxiliary.

    Parameters
    ----------
    file
        A `.safetensors` or pickled file (`.pth`, `.pt`, `.bin`), or a folder of timm or transformers.
    out
        A new or empty folder for the checkpoint.
    set_
        Override a setting of the model: `section.field=value`, such as `data.image_size=384`, for which positions are
        resized. Repeatable.
    key
        The entry that holds the model, such as `model_ema`; default: detected.
    merge
        Merge the pathways of a checkpoint trained with M2PT; by default they stay connected.
    bare
        Keep the weights unchanged, as an auxiliary, without building a model.
    unsafe_pickle
        Unpickle a file that contains more than weights, in a separate process. Code in the file runs with your rights.
    """
    from crosspath.checkpoints.foreign import convert_checkpoint
    from crosspath.checkpoints.foreign.start import shape_settings
    from crosspath.checkpoints.save import RECIPE
    from crosspath.config import read_recipe

    receipt = convert_checkpoint(file, out, settings=set_, key=key, merge=merge, bare=bare, unsafe=unsafe_pickle)
    if json:
        print_json(receipt)
        return
    print_line(f"{file}: {receipt['format']}, {len(receipt['used'])} tensors used, {len(receipt['dropped'])} dropped")
    for line in leftover_lines(receipt["dropped"]):
        print_line(line)
    if receipt["fresh"]:
        print_line(f"newly initialised: {', '.join(receipt['fresh'])}")
    if receipt["pathways"] != "none":
        print_line(f"pathways: {receipt['pathways']}")
    for note in receipt["notes"]:
        print_line(note)
    print_line(f"written to {out}" + (f" (recipe {receipt['recipe']})" if receipt["recipe"] else ""))
    if receipt["recipe"]:
        # A model of the same shape.
        shape = data_and_settings(None, shape_settings(read_recipe(out / RECIPE)))
        print_next("crosspath", "train", receipt["recipe"], *shape, "--from", out)
    else:
        print_next("crosspath", "match", "RECIPE", "--auxiliary", f"NAME={out}")
