"""Pictures on disk, read by processes that import nothing else of ours but its errors."""
