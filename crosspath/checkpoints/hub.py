"""Moved to `crosspath.checkpoints.sharing.hub`; this name is removed after one version."""

import warnings

from crosspath.checkpoints.sharing.hub import *  # noqa: F403

warnings.warn("use crosspath.checkpoints.sharing.hub", DeprecationWarning, stacklevel=2)
