"""What to expect before training: decision lists, fitted to the published results."""
