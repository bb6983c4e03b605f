"""Files on disk to batches: one file a modality, a decode-once cache, fixed splits, augmentation on the device."""
