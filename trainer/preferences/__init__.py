"""Learning from liked and disliked prompts."""
