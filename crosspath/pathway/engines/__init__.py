"""The sum W + λ·W': its geometry and formula, and the two ways to hold it: live, or in the optimizer."""
