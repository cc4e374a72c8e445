"""What is wrong with a set of images: duplicates, images in both splits, labels that look wrong,
classes that cannot be told apart.

It reads images and their embeddings, and changes none of them.
"""
