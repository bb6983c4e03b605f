"""Measurements of time and memory: `python -m benchmarks` runs them all in their short form (see README.md)."""
