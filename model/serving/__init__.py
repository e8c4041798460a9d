"""What the service may import: a draft in, tags with scores and reasons out."""
