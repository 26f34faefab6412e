"""Every row, every transaction and the queue."""
