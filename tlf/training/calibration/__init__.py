"""What a trained model is calibrated on: images that it was not trained on."""
