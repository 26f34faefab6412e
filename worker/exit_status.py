"""What a worker process's exit status says to whoever started it."""

DRAINED = 0
FAILED = 1  # a fresh process may do better
GAVE_UP = 3  # starting again changes nothing until somebody acts
SWAPPED = 4  # drained, for a fresh process is needed to load the model otherwise; start it at once
