"""The contracts of what plugins say about a trained model: metrics, and panels of its
report.
"""
