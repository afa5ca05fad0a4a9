"""What the service counts, over all its processes."""
