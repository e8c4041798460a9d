"""Installs: export and erasure of what the service stores of one browser profile."""
