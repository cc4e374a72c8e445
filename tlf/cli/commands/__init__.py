"""One file for each command, named after it: ``command`` in it is what ``tlf NAME`` runs, and its
docstring is its help. The list of commands is ``tlf.commands``.
"""
