"""Retention: how long drafts are stored, and what stays of them."""
