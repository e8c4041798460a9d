"""Demo traffic: simulated writers of known taste, answered by the real model, recorded apart as kind ``demo``."""
