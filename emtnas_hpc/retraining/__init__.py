"""Training an architecture from scratch as a stage, and its verdict on the test set."""
