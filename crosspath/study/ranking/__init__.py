"""The scores by which `crosspath rank` orders auxiliaries before any training."""
