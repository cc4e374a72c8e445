"""The machine: cores, devices, random seeds, and files that are written whole. Of tlf, it imports
only the errors.
"""
