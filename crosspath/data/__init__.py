"""From files on disk to batches. `load.py` is the way in; docs/design.md names the rooms and their order."""
