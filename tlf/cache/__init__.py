"""What is computed once, and its keys: a folder of entries that are whole or absent, within a
budget of bytes. It imports nothing of images or networks. README.md beside this file explains how
it works.
"""
