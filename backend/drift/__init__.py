"""Drift: an export of figures for `tagalong-model drift`, and its findings for the admin's page and the alerts."""
