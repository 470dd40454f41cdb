"""The weight-sharing network of a task, its training and its evaluation, in torch."""
