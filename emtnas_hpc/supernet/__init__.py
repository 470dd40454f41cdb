"""The weight-sharing network of a task, its training and its evaluation; all of torch is here."""
