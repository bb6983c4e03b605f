"""What is where in a model: its blocks, the roles of their weights, and the orders inside a fused one."""
