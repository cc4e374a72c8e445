"""What a run tells the tracker that its recipe names. It must not change what the run computes."""
