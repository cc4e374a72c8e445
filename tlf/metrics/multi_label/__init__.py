"""The same for models that give each image any number of labels: each pair of an image and a class
is a decision.
"""
