"""Frozen means frozen: freeze a network, audit it, and enter it in its middle. It knows
networks, and nothing of recipes, data or training.
"""
