"""Training again from what people posted: mixed with the base data, compared with the champion, and when it is due."""
