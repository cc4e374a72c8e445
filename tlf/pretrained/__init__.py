"""Pretrained networks: find, fetch and read weights, and divide networks into stages. It imports
nothing of recipes, data or freezing.
"""
