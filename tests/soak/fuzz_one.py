"""One parser under atheris: `python -m tests.soak.fuzz_one NAME [options of libFuzzer] [corpus or file]`."""

import os
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["crosspath"]):
    from tests.soak.parsers import PARSERS, quiet


def main() -> None:
    """Run the parser on whatever libFuzzer makes, until its time is used up or an input fails."""
    parser = PARSERS[sys.argv.pop(1)]
    folder = "/dev/shm" if Path("/dev/shm").is_dir() else tempfile.gettempdir()
    path = Path(folder, f"soak-{os.getpid()}{parser.suffix}")

    def one_input(content: bytes) -> None:
        if parser.on_disk:
            path.write_bytes(content)
        with quiet():
            parser.read(path, content)

    atheris.Setup(sys.argv, one_input)
    try:
        atheris.Fuzz()
    finally:
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
