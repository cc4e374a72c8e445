"""The command line: commands, progress, tables, exit codes, and how the process starts and ends.

It may import every other room, and no other room imports it.
"""
