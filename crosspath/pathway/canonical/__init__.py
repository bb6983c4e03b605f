"""The norms, layer scales and biases around a block's matrices, folded into W' and b'."""
