"""Sets larger than memory: samples decoded on access."""
