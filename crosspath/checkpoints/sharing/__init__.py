"""What goes out with a checkpoint: hub, model card, licences, certificates."""
