"""The whole schema in one place: importing it imports every feature's tables."""

from backend.acceptance import tables as acceptance_tables
from backend.alerts import tables as alert_tables
from backend.audit import tables as audit_tables
from backend.counters import skipped, totals
from backend.deployments import tables as deployment_tables
from backend.drafts import tables as draft_tables
from backend.drift import tables as drift_tables
from backend.experiments import tables as experiment_tables
from backend.feedback import tables as feedback_tables
from backend.postgres.base import Table
from backend.web import request_stats

METADATA = Table.metadata

__all__ = [
    "METADATA",
    "acceptance_tables",
    "alert_tables",
    "audit_tables",
    "deployment_tables",
    "draft_tables",
    "drift_tables",
    "experiment_tables",
    "feedback_tables",
    "request_stats",
    "skipped",
    "totals",
]
