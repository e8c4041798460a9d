"""Feedback: what writers did with the tags that they were offered, event by event."""
