"""The whole schema in one place: importing it has imported every feature's tables."""

from backend import totals, vitals
from backend.alerts import tables as alert_tables
from backend.feedback import tables as feedback_tables
from backend.suggestions import tables as suggestion_tables
from backend.tables import Table

METADATA = Table.metadata

__all__ = ["METADATA", "alert_tables", "feedback_tables", "suggestion_tables", "totals", "vitals"]
