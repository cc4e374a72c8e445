"""The interactive page: a person freezes stages of a network and sees each step of its training."""
