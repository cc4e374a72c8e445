"""tlf's own components. Each module is a plugin, as a third party's is.

Plugins are loaded by name: the rest of tlf never imports them. A built-in may import ``tlf.data``,
``tlf.pretrained`` and ``tlf.freezing``, but no other built-in.
"""
