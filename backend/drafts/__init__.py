"""Drafts: their tables, and what other features may do with them."""
