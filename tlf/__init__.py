"""Transfer learning for pictures."""

__version__ = "0.1.0"
