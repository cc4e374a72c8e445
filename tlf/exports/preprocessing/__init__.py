"""Preprocessing inside an exported file: an image of any size in, probabilities out.

It rewrites a file that was exported, and measures what its own resize changes.
"""
