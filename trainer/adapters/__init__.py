"""What a run leaves: the adapter's folder, its model card and pictures, and where it is sent."""
