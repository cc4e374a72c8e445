"""What a check finds where images have any number of labels."""
