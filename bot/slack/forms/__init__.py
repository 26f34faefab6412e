"""One file a form: what it looks like, and what sending it does."""
