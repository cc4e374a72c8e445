"""The command line: commands, progress, tables, exit codes, and how the process starts and ends. It
may know every other room, and no other room knows it.
"""
