"""A run's model for other libraries, compared with the run before it is kept. It knows trained
models and recipes, and nothing of training.
"""
