"""From clean questions to a served model."""
