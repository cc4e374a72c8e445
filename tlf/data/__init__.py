"""Images on their way to the model: splits, decoding, transforms, batches, and the check of every
image before training. It knows the cache, and nothing of recipes, plugins or training.
"""
