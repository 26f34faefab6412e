"""One training run: its plan, state, checkpoints, progress and end."""
