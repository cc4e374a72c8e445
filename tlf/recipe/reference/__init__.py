"""What a recipe can say, for people and editors: every option with its help, the JSON Schema, and
the networks of timm and torchvision.
"""
