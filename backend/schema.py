"""The whole schema in one place: importing it has imported every feature's tables."""

from backend import totals
from backend.feedback import tables as feedback_tables
from backend.suggestions import tables as suggestion_tables
from backend.tables import Table

METADATA = Table.metadata

__all__ = ["METADATA", "feedback_tables", "suggestion_tables", "totals"]
