"""Acceptance: every rate the product is judged by, worked out from the recorded items and drafts."""
