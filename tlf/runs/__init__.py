"""The story of a run and the folder that it leaves. It knows training and trained models, and
nothing of the command line or of what a person is shown.
"""
