"""Runs: from a recipe to a run's folder, and what is read from the folder afterwards.

It may import training and trained models, and nothing that shows a run to a person.
"""
