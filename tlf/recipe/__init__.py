"""From a TOML file to a validated recipe, a plan with its plugins, and a built model. It knows
plugins and data, and nothing of training.
"""
