"""Which of several backbones suits a set of images, judged by probes of their features."""
