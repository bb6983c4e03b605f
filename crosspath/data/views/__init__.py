"""What happens to a batch before the model sees it: normalisation, augmentation, mixing, resampling."""
