"""What predictions are worth: figures with intervals, calibration, confusions, comparisons of two
models.

Arrays in, numbers out: this room knows nothing of models, files or pages. scikit-learn computes the
metrics; it is imported when the first figure is computed.
"""
