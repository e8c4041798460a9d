"""Encoders with classifiers on one split, beside Parabel and ours: one table of quality, size, time."""
