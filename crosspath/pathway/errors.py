"""The error of the pathway library."""


class PathwayError(ValueError):
    """A model or auxiliary that cannot be connected, merged, saved or loaded as asked; the model is untouched."""
