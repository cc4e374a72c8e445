"""What heads build. Apart from their options, which are read before torch is imported."""
