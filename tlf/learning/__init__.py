"""What the loop does in one epoch, piece by piece."""
