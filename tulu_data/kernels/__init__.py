"""Numba kernels over Arrow buffers: words, n-grams, record ids, ranks. No I/O, no YAML."""
