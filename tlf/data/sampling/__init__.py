"""Which train images an epoch draws, and in which order. Pure functions of the seed and the epoch:
no process and no resumed run has to remember what was drawn before.
"""
