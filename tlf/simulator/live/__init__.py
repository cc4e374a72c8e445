"""The page while tlf runs: what makes its steps, and what serves it. It must not know how a step is
made.
"""

PORT = 8600
"""The port of its address, unless it is in use."""
