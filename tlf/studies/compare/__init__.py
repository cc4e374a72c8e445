"""Which of several recipes is better, over seeds, and at what cost."""
