"""Moved to `crosspath.checkpoints.sharing.verify`; this name is removed after one version."""

import warnings

from crosspath.checkpoints.sharing.verify import *  # noqa: F403

warnings.warn("use crosspath.checkpoints.sharing.verify", DeprecationWarning, stacklevel=2)
