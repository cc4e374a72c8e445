"""Segments: what is built and wrapped while the same parameters are frozen."""
