"""What is durable: the catalog (SQLite) and the blobs (safetensors files)."""
