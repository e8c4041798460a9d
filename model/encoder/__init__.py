"""The sentence encoder of the full tier: text to tokens, fine-tuning, an int8 graph, and questions as embeddings."""
