"""The state of a run that is in training: stored every so often, and restored bit for bit."""
