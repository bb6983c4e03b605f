"""Auxiliaries of other shapes: linear maps between the channels of two models."""
