"""The panels of pages: a module for each, with a function that makes it of what it shows, or None
where there is nothing to show.
"""
