"""The contracts of what plugins say about a trained model: metrics."""
