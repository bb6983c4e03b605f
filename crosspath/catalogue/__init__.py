"""Known sets: how to get, arrange and check them."""
