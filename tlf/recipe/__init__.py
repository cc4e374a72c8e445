"""From a TOML file to a validated recipe, a plan with its plugins, and a built model. Knows plugins
and data, but not training.
"""
