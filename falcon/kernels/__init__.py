"""The engine's arithmetic in Triton, for CUDA; the only modules that import it."""
