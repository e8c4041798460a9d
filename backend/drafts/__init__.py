"""The tables of drafts and suggestions, and what other features may ask of them."""
