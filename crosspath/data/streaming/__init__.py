"""Sets larger than memory: samples decoded when they are asked for."""
