"""Files on disk to samples: one file a modality and one for its published sets."""
