"""Studies: many probes of the same images, compared by the statistics of ``tlf.metrics``.

A study answers a question before a project: which backbone, what to freeze. It decides on the train
split alone, so that the eval split can still judge the run. This room knows no command line.
"""
