"""Plots: for a page, where its style colours them, and as files for papers.

Each module makes ``Plot``s of one kind out of figures; ``draw`` turns a plot into SVG or PNG.
Matplotlib is imported when the first plot is drawn.
"""
