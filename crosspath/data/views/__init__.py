"""From samples to the batch that a model reads: augmentation, mixing, resampling of points, normalisation."""
