"""Suggestions: the answer to one state of a draft, and its record."""
