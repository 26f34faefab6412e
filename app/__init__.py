"""Composition root: the command line, the process tree and the doctor."""
