"""The commands of `tagalong-server`, one module a subject."""
