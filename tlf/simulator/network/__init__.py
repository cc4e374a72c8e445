"""A network of the page: what settings make of it, and what a step has done to it. It knows neither
the scene nor the server.
"""
