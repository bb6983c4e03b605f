"""Samples made by rule, without files."""
