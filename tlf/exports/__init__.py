"""A run's model as a file for other libraries, compared with the run before it is kept.

It may import trained models and recipes, and nothing that trains.
"""
