"""How a step runs and is recorded: resumable outputs, records, workers and files."""
