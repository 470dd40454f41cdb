"""Training an architecture from scratch as a stage, and its result on the test set."""
