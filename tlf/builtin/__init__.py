"""tlf's own components. Each module is a plugin like any other."""
