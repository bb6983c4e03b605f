"""`python -m crosspath`."""

from crosspath.cli.main import run

if __name__ == "__main__":
    run()
