"""Pretrained networks: find, fetch and read weights, and divide architectures into stages. It knows
nothing of recipes, data or freezing.
"""
