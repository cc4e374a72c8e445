"""What a trained model is calibrated on: what it gives for images that it was not trained on."""
