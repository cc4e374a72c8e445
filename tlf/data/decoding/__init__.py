"""From the bytes of an image file to pixels. Knows no splits, no cache and no torch."""
