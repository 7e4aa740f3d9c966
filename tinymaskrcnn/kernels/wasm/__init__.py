"""Products of matrices in WebAssembly's vectors, for a Python that itself runs there: see gemm."""
