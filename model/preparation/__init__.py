"""Preparation of questions for training: checked, cleaned, each once, with a report of what was done."""
