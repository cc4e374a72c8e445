"""Learning curves as lines of text."""
