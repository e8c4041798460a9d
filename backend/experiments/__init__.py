"""Comparing a challenger with the champion: its installs, verdict and guardrails."""
