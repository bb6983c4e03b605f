"""Moved to `crosspath.modalities.load`; this name is removed after one version."""

import warnings

from crosspath.modalities.load import load_data, read_file

warnings.warn("use crosspath.modalities.load", DeprecationWarning, stacklevel=2)

__all__ = ["load_data", "read_file"]
