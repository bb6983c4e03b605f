"""What training minimises: one file an objective, functions of logits and targets."""
