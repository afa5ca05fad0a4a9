"""What a worker does with connections: threads answer requests, and never wait for bytes."""
