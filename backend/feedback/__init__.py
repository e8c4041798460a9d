"""Feedback: what writers did with the tags they were offered, event by event."""
