"""`migrate`, `erase` and `recount`: what an operator does to the tables."""

from uuid import UUID

import click

from backend.commands.terminal import with_session, with_url
from backend.database import migrate as migrate_database
from backend.feedback.projection import recount as recount_items
from backend.installs.service import erase_install


@click.command()
def migrate() -> None:
    """Bring the database to the newest schema. `serve` does so too; this is for a deployment's own step."""
    with_url(migrate_database)
    click.echo("The database is up to date.")


@click.command()
@click.argument("install_id", type=click.UUID)
def erase(install_id: UUID) -> None:
    """Forget whose drafts and events those of INSTALL_ID were. The counts stay as they are."""
    rows = with_session(lambda session: erase_install(session, install_id))
    click.echo(f"Erased: {rows} drafts and events are now nobody's." if rows else "Nothing was stored of this install.")


@click.command()
def recount() -> None:
    """Recount every item from its events, and print how many differ from what is kept."""
    difference = with_session(recount_items)
    click.echo(
        f"{difference.items} items recounted: {difference.missing} differ or are missing, "
        f"{difference.surplus} differ or are surplus."
    )
    if difference.missing or difference.surplus:
        raise click.ClickException("the items kept are not those that the events make")
