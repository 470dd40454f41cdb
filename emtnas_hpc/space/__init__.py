"""The search space: chromosomes, what they mean, and what they cost. Pure."""
