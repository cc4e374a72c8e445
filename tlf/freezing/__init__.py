"""Frozen means frozen: freeze a network, audit it, and run its frozen part and its trainable part
separately. It imports nothing of recipes, data or training.
"""
