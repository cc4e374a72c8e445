"""Datasets whose images have any number of labels."""
