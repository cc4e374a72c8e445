"""What was computed once: a folder of entries that are whole or absent, within a budget of bytes.

An entry is a folder with two files: ``data``, plain bytes, and ``entry.json``, which says what it
holds and what it was computed from. Its name is a hash of the latter. Entries are written beside
their place and renamed, so that kill -9 leaves none half done, and every byte of one is checked
before it is used.
"""
