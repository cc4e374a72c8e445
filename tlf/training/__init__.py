"""The loop: phases, segments, epochs, steps. It knows everything below it, and nothing of run
folders or of the command line; it yields what happens.
"""
