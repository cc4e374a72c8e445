"""Studies: many probes or many runs, compared by the statistics of ``tlf.metrics``.

A study answers a question before a project: which backbone, what to freeze, which recipe. This room
knows no command line.
"""
