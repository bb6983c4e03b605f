"""The race of `crosspath try`: ways of starting a training, within a budget, on validation alone."""
