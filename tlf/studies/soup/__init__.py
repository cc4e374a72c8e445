"""The mean of several runs' weights, a soup (Wortsman et al., 2022), and whether it is better than
the best of the runs.
"""
