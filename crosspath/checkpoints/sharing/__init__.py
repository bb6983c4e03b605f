"""Sharing checkpoints: hub folders, model cards, licences, merge certificates."""
