"""Saving the findings of drift, and reading them again."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from backend.drift.findings import Findings
from backend.drift.tables import Drift


async def save_findings(session: AsyncSession, findings: Findings, now: datetime) -> None:
    """Save findings, in place of earlier ones of the same kind, days, version and reference."""
    statement = insert(Drift).values(
        kind=findings.kind,
        since=findings.since,
        until=findings.until,
        model_version=findings.model_version,
        reference=findings.reference,
        imported_at=now,
        findings=findings.model_dump(mode="json"),
    )
    updated = {name: statement.excluded[name] for name in ("imported_at", "findings")}
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["kind", "since", "until", "model_version", "reference"], set_=updated
        )
    )


async def newest_findings(session: AsyncSession, kind: str | None = None) -> Findings | None:
    """Return the findings whose days end last, of one kind of drafts or of any; of several, those imported last."""
    newest_first = select(Drift).order_by(Drift.until.desc(), Drift.imported_at.desc()).limit(1)
    row = await session.scalar(newest_first if kind is None else newest_first.where(Drift.kind == kind))
    return None if row is None else Findings.model_validate(row.findings)
