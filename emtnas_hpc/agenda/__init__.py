"""What a run has still to do, stage by stage, and the way from there to its end."""
