"""The classifier: its data, its training, its release, and the little that serving needs of it."""
