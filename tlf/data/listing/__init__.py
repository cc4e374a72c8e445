"""The names and labels of very many images: arrays, where a Python object each would take hundreds
of bytes an image.
"""
