"""Images on their way to the model: splits, decoding, transforms, batches, and the inspection of
every image before training. Knows the cache, but not recipes, plugins or training.
"""
