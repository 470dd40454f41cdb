"""Is this cluster fit for it: one check a finding, on the login node and on a node of its own."""
