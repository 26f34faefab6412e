"""One cycle of learning from votes, carried out by one process."""
