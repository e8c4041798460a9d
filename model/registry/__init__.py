"""Numbered versions of the model: what each is made of, and what it passed before it may be deployed."""
