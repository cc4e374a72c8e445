"""Pages that show what was found out: the report of a run, of an evaluation, of a check of images.

One HTML file each, which needs no network. A page is a row of panels; each is made by a module in
``panels``. This room shows what others have computed; figures are those of ``tlf.metrics``.
"""
