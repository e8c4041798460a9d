"""Acceptance: every rate that the product is judged by, counted from the recorded items and drafts."""
