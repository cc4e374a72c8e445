"""The stored state of a run, as who writes it and who reads it must know it."""
