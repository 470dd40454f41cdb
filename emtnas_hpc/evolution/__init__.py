"""The evolutionary operators, from mating to selection. Pure: they measure and train nothing."""
