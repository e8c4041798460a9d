"""Drift: what came in, as a file for `tagalong-model drift`, and what that found, for the admin's page and alerts."""
