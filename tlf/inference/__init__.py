"""A trained model: its files, its head, and classifying images with it. It knows recipes where a
whole model is built again, and nothing of training; a head alone needs torch and safetensors.
"""
