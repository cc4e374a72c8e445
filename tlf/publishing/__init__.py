"""A run for people who have not trained it: its model card, and its repository on the hub.

It may import all that reads a run, and nothing that trains. It is the one room that uploads.
"""
