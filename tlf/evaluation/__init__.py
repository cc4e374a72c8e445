"""A trained model on any labelled images: its predictions, in the order of its classes, and their
figures.
"""
