"""Weights by their names: of modules, live models, state dicts and files, and what layers really compute with."""
