"""The service: answers drafts with tags, records what people do with them, and reports acceptance."""
