"""Studies: many runs or many probes, and what can be told from them."""
