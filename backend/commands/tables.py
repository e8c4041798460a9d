"""`migrate`, `erase` and `recount`: maintain the tables."""

from dataclasses import asdict
from datetime import UTC, datetime
from uuid import UUID

import click
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from backend.acceptance.rollup_refresh import RollupComparison, compare_rollups
from backend.audit.service import record_act
from backend.commands.terminal import with_session, with_url
from backend.feedback.projection import RecountDifference, recount_items
from backend.installs.service import erase_install
from backend.postgres.migrate import migrate as migrate_database


@click.command()
def migrate() -> None:
    """Bring the database to the newest schema. `serve` does so too; this is for a deployment's own step."""
    with_url(migrate_database)
    click.echo("The database is up to date.")


@click.command()
@click.argument("install_id", type=click.UUID)
def erase(install_id: UUID) -> None:
    """Cut the link from INSTALL_ID to its drafts and events. The counts stay as they are."""

    async def forget(session: AsyncSession) -> int:
        rows = await erase_install(session, install_id)
        await record_act(session, "erase", details={"rows": rows})
        return rows

    rows = with_session(forget)
    message = f"Erased: {rows} drafts and events are now anonymous." if rows else "Nothing was stored of this install."
    click.echo(message)


@click.command()
def recount() -> None:
    """Recount every item from its events and every daily sum from its items, and print how many differ."""

    async def compare(session: AsyncSession) -> tuple[RecountDifference, RollupComparison]:
        await session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        items = await recount_items(session)
        days = await compare_rollups(session, datetime.now(UTC))
        await record_act(
            session, "recount", details=asdict(items) | {"days": days.days, "differing": len(days.differing)}
        )
        return items, days

    items, days = with_session(compare)
    click.echo(
        f"{items.items} items recounted: {items.missing} differ or are missing, {items.surplus} differ or are surplus."
    )
    listed = ", ".join(map(str, days.differing[:10])) + (" …" if len(days.differing) > 10 else "")
    click.echo(
        f"{days.days} daily sums recounted: {len(days.differing)} differ{listed and f' ({listed})'}. "
        f"{days.changed} days wait to be summed again; {days.final} are older than the events that are stored."
    )
    if items.missing or items.surplus:
        raise click.ClickException("the stored items differ from those that the events give")
    if days.differing:
        raise click.ClickException("the daily sums differ from those that the items give")
