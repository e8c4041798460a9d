"""Scripts that make what the documentation shows, and that hold the house to its plan."""
