"""Would more images help? Probes of more and more of the train images, and a fan of power laws."""
