"""What is computed once, and its keys: a folder of entries that are whole or absent, within a
budget of bytes. It knows nothing of images or networks; README.md beside this file tells how it
works.
"""
