"""The model card: what a stranger has to know of a run before using its model."""
