"""Auxiliaries of other shapes: linear maps between the channels of two models, and kernels of other sizes or axes."""
