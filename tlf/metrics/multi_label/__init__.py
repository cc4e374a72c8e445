"""Figures of models that give each image any number of labels, and comparisons of two of them. Each
pair of an image and a class is a decision.
"""
