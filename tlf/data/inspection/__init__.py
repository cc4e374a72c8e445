"""Before training: every image is read once, on all hosts. What cannot be read, differs between
hosts, or holds more than 8 bits is reported; what is decoded is stored.
"""
