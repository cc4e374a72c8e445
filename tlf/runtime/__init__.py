"""The machine: cores, devices, random seeds, and writing files whole. It knows nothing of tlf's
other rooms but the errors.
"""
