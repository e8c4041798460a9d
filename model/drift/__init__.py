"""Drift: what comes in against a reference, told apart into data, concept and model, and from bad days."""
