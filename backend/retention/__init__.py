"""Retention: what is kept of a draft, and for how long."""
