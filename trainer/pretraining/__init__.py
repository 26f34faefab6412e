"""Training the pocket Falcon from scratch."""
