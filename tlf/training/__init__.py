"""The training loop: phases, segments, epochs, steps. It yields events, and knows nothing of run
folders or of the command line.
"""
