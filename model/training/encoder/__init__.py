"""Training the sentence encoder and exporting its 8-bit graph."""
