"""Suggestions: answering one state of a draft, and recording the answer."""
