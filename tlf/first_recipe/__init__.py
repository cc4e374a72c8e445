"""A first recipe for somebody's images, with the reasons for what stands in it."""
