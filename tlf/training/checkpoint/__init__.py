"""The state of a run during training: stored regularly, and restored bit for bit."""
