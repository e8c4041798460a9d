"""Daily counts of what leaves no row of its own."""
