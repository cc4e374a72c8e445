"""A run's repository on the Hugging Face hub: its files, and how they get there."""
