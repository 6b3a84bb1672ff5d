"""Input files: find them, count and cut them into splits, and read the splits."""
