"""Data preparation and training."""
