"""Published sets: what they consist of, how to download, arrange and check them."""
