"""The asynchronous worker that owns the model."""
