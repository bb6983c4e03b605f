"""`crosspath verify`."""

from pathlib import Path

from crosspath.cli.options import Data, Json
from crosspath.cli.output import print_json, print_line, print_next


def verify(certificate: Path, /, *, data: Data = None, json: Json = False) -> None:
    """Verify a merge certificate: its files, its weights and, if the data are available, its outputs.

    Example: `crosspath verify runs/cifar-plain/certificate.json --data DIR`

    Parameters
    ----------
    certificate
        A `certificate.json` written by `crosspath merge --verify`, or its folder.
    """
    from crosspath.checkpoints.sharing.certificate import verify as verify_certificate

    result = verify_certificate(certificate, data)
    if json:
        print_json(result)
        return
    for check in result["checked"]:
        print_line(f"as certified: {check}")
    for note in result["notes"]:
        print_line(f"note: {note}")
    folder = certificate if certificate.is_dir() else certificate.parent
    print_next("crosspath", "predict", folder, "FILE")
