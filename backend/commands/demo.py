"""`demo`: traffic of simulated writers, to see /metrics with something in it."""

import sys
from datetime import UTC, datetime

import click
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.service import record_act
from backend.commands.terminal import read_settings, with_session, with_url
from backend.demo.service import DemoTraffic, TrafficExists, delete_traffic, write_traffic
from backend.demo.writers import read_questions, simulate_drafts
from backend.postgres.database import Database
from backend.postgres.migrate import migrate
from backend.settings import RELEASED
from model.serving import Classifier, ReleaseError


@click.command()
@click.option("--days", type=click.IntRange(1, 3660), default=28, show_default=True, help="How many days, up to now.")
@click.option("--drafts", type=click.IntRange(1, 10_000), default=40, show_default=True, help="Drafts started per day.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="The same seed, the same traffic.")
@click.option("--remove", is_flag=True, help="Delete all demo traffic.")
def demo(days: int, drafts: int, seed: int, remove: bool) -> None:
    """Write traffic of simulated writers, answered by the shipped model; see it at /metrics?kind=demo.

    Its drafts are of kind demo, which no figure of real drafts counts.
    """
    if remove:

        async def delete(session: AsyncSession) -> int:
            removed = await delete_traffic(session)
            await record_act(session, "remove demo", details={"drafts": removed})
            return removed

        removed = with_session(delete)
        click.echo(f"{removed:,} demo drafts removed.")
        return
    now = datetime.now(UTC)
    settings = read_settings()
    try:
        classifier = Classifier.load(settings.model_folder)
        device_classifier = Classifier.load(RELEASED / "light")
    except ReleaseError as error:
        raise click.ClickException(str(error)) from None
    traffic = list(simulate_drafts(read_questions(), seed=seed, days=days, drafts=drafts, until=now))

    async def write(url: str) -> DemoTraffic:
        await migrate(url)
        database = Database(url)
        try:
            with click.progressbar(length=len(traffic), label="writing drafts", file=sys.stderr) as bar:
                written = await write_traffic(
                    database,
                    classifier,
                    traffic,
                    now,
                    device_classifier=device_classifier,
                    after_draft=lambda: bar.update(1),
                )
            async with database.session() as session:
                await record_act(session, "write demo", details={"seed": seed, "days": days, "drafts": written.drafts})
            return written
        finally:
            await database.close()

    try:
        written = with_url(write)
    except TrafficExists:
        raise click.ClickException(
            f"the traffic of seed {seed} is there already. Choose another --seed, or --remove it first."
        ) from None
    click.echo(f"{written.drafts:,} drafts, {written.suggestions:,} suggestions, {written.events:,} events written.")
