"""The panels of a page about images with any number of labels, in place of those about one label
each. A panel that would make no sense of them is left out, and the page says so.
"""
