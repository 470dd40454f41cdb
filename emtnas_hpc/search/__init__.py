"""The search: evolution, with one supernet a task, as a stage of the runner."""
