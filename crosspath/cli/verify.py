"""`crosspath verify`."""

from pathlib import Path

from crosspath.cli.options import Data, Json
from crosspath.cli.output import print_json, print_line


def verify(certificate: Path, /, *, data: Data = None, json: Json = False) -> None:
    """Check a merge certificate again: files, weights and, where the data are at hand, outputs.

    Example: `crosspath verify runs/cifar-plain/certificate.json --data DIR`

    Parameters
    ----------
    certificate
        A `certificate.json` of `crosspath merge --verify`, or the folder that holds it.
    data
        Root that holds one folder per data set; default: `CROSSPATH_DATA`, else the user's data folder. Without the
        data the outputs are not computed, which is said. For a `*/folder` recipe: a folder to read instead of the one
        it was trained on.
    json
        Print one JSON object on stdout.
    """
    from crosspath.checkpoints.sharing.certificate import verify as verify_certificate

    found = verify_certificate(certificate, data)
    if json:
        print_json(found)
        return
    for checked in found["checked"]:
        print_line(f"as certified: {checked}")
    for note in found["notes"]:
        print_line(f"note: {note}")
