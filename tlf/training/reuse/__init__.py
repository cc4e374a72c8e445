"""What a job takes over from an earlier job of the same process, because it cannot have changed:
the images that were read, and the backbone. It trains nothing, and knows no run's folder.
"""
