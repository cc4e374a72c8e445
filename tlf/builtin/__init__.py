"""tlf's own components. Each module is a plugin like any other and is loaded by its name, never
imported by the rest of tlf; it may know the rooms of data, pretrained networks and freezing, and no
other built-in.
"""
