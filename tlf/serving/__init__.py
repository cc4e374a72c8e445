"""Runs behind HTTP: images in, predictions as JSON out. It must not know how a model is trained."""

HOST, PORT = "127.0.0.1", 8000
"""Where it listens by default: no other computer reaches it."""

BATCH, WINDOW = 32, 5.0
"""Images that are classified together at most, and the milliseconds that the first of them waits
for others that are on their way."""
