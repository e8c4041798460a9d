"""Installs: what the service knows of one browser profile, handed out or forgotten at its wish."""
