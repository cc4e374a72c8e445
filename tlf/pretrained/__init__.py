"""Pretrained networks: find, fetch and read weights, and cut architectures into stages."""
