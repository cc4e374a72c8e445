"""Trained models: their files, their heads, and classifying images with them.

A whole model is built from the recipe of its run. A head alone needs torch and safetensors only.
"""
