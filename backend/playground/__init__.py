"""The page to try the model without the extension."""
