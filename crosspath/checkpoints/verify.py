"""Moved to `crosspath.checkpoints.sharing.certificate`; this name is removed after one version."""

import warnings

from crosspath.checkpoints.sharing.certificate import *  # noqa: F403

warnings.warn("use crosspath.checkpoints.sharing.certificate", DeprecationWarning, stacklevel=2)
