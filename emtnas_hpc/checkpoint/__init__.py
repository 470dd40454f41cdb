"""The commit protocol: paths, atomic directories, manifests, ownership; it knows no schema."""
