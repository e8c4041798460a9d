"""Demo traffic: simulated writers with a known taste, answered by the real model, kept apart as kind ``demo``."""
