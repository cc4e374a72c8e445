"""A run's model as other programs load it, checked before it is written."""
