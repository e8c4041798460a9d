"""The command `tagalong-server`: run the service, and whatever writes its tables."""

import asyncio
import logging
import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import click
import uvicorn
from fastapi import FastAPI
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from backend.alerts.rules import RulesError
from backend.app import create_app
from backend.database import Database, DatabaseAway, NewerSchema
from backend.database import migrate as migrate_database
from backend.demo.service import AlreadyPlayed, Played, play
from backend.demo.service import remove as remove_demo
from backend.demo.writers import read_questions, sittings
from backend.embedded import EmbeddedFailure, EmbeddedPostgres
from backend.feedback.projection import recount as recount_items
from backend.installs.service import erase_install
from backend.settings import Settings
from model.classifier import Classifier, ReleaseError

T = TypeVar("T")

EXTENSION = Path(__file__).parent.parent / "extension"


def read_settings() -> Settings:
    """The settings, or an error that names the variable which is wrong."""
    try:
        return Settings()
    except ValidationError as error:
        faults = [f"TAGALONG_{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors()]
        raise click.ClickException("wrong settings:\n  " + "\n  ".join(faults)) from None


@click.group()
@click.version_option(package_name="tagalong")
def main() -> None:
    """Tagalong's service: suggestions, events, and the admin's /metrics.

    Settings are environment variables that begin with TAGALONG_; the README lists them.
    """


@main.command()
def serve() -> None:
    """Run the service until it is stopped (SIGTERM or SIGINT)."""
    settings = read_settings()
    if not settings.database_url:
        try:
            EmbeddedPostgres(settings.data_dir).ensure_free()
        except EmbeddedFailure as error:
            raise click.ClickException(str(error)) from None
    listening = listen(settings.host, settings.port)
    port = listening.getsockname()[1]

    def announce(app: FastAPI) -> None:
        host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104
        shown = f"[{host}]" if ":" in host else host
        click.echo(f"\n{greeting(f'http://{shown}:{port}', settings)}\n")

    try:
        app = create_app(settings.model_copy(update={"port": port}), on_ready=announce)
    except RulesError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(
            f"can't use the data folder {settings.data_dir}: {error.strerror}. TAGALONG_DATA_DIR names another."
        ) from None
    # uvicorn would log a failed start as a traceback; the person at the terminal gets its message instead.
    logging.getLogger("uvicorn.error").addFilter(lambda record: app.state.failure is None)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            log_level="warning",
            proxy_headers=bool(settings.forwarded_allow_ips),
            forwarded_allow_ips=settings.forwarded_allow_ips,
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=10,
        )
    )
    try:
        server.run(sockets=[listening])
    except SystemExit:
        if app.state.failure is None:
            raise
        raise click.ClickException(str(app.state.failure)) from None


def listen(host: str, port: int) -> socket.socket:
    """A socket that is bound before anything is started, so that a taken port is known at once."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        # Whoever connects from now on waits until the service has started, rather than being turned away.
        listening.listen(1024)
    except OSError as error:
        raise click.ClickException(
            f"can't listen on {host}:{port} ({error.strerror}). TAGALONG_HOST and TAGALONG_PORT name another place."
        ) from None
    return listening


def greeting(address: str, settings: Settings) -> str:
    """What to do now that the service runs, in three lines."""
    password = settings.resolve_admin_password()
    where = "as set" if settings.admin_password else f"kept in {settings.data_dir / 'admin-password'}"
    return (
        f"Extension  load {EXTENSION} in Chrome (chrome://extensions, Developer mode, Load unpacked) or Firefox "
        "(about:debugging#/runtime/this-firefox, Load Temporary Add-on)\n"
        f"Try it     {address}/\n"
        f"Admin      {address}/metrics, user admin, password {password} ({where})"
    )


def with_session(work: Callable[[AsyncSession], Awaitable[T]]) -> T:
    """Run ``work`` in one transaction of the migrated database, the embedded one started where none is set."""

    async def connect_and_work(url: str) -> T:
        await migrate_database(url)
        database = Database(url)
        try:
            async with database.session(within=3600) as session:
                return await work(session)
        finally:
            await database.close()

    return with_url(connect_and_work)


def with_url(work: Callable[[str], Coroutine[Any, Any, T]]) -> T:
    """Run ``work`` with the database's URL, and tell what went wrong without a traceback."""
    settings = read_settings()
    try:
        with database_url(settings) as url:
            return asyncio.run(work(url))
    except DatabaseAway as error:
        raise click.ClickException(f"the database can't be reached: {error}") from None
    except (NewerSchema, EmbeddedFailure) as error:
        raise click.ClickException(str(error)) from None


@contextmanager
def database_url(settings: Settings) -> Iterator[str]:
    """The database's URL; an embedded one is started for the block, unless a service already runs it."""
    if settings.database_url:
        yield settings.database_url
        return
    embedded = EmbeddedPostgres(settings.data_dir)
    if running := embedded.running_url():
        yield running
        return
    try:
        yield embedded.start()
    finally:
        embedded.stop()


@main.command()
def migrate() -> None:
    """Bring the database to the newest schema. `serve` does so too; this is for a deployment's own step."""
    with_url(migrate_database)
    click.echo("The database is up to date.")


@main.command()
@click.argument("install_id", type=click.UUID)
def erase(install_id: UUID) -> None:
    """Forget whose drafts and events those of INSTALL_ID were. The counts stay as they are."""
    rows = with_session(lambda session: erase_install(session, install_id))
    click.echo(f"Erased: {rows} drafts and events are now nobody's." if rows else "Nothing was stored of this install.")


@main.command()
@click.option("--days", type=click.IntRange(1, 3660), default=28, show_default=True, help="How many, up to now.")
@click.option("--drafts", type=click.IntRange(1, 10_000), default=40, show_default=True, help="Begun on a day.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="The same one, the same traffic.")
@click.option("--remove", is_flag=True, help="Take all demo traffic out again.")
def demo(days: int, drafts: int, seed: int, remove: bool) -> None:
    """Write traffic of simulated writers, answered by the shipped model; see it at /metrics?kind=demo.

    Its drafts are of kind demo, which no figure of real drafts counts.
    """
    if remove:
        removed = with_session(remove_demo)
        click.echo(f"{removed:,} demo drafts removed.")
        return
    now = datetime.now(UTC)
    settings = read_settings()
    try:
        classifier = Classifier.load(settings.model_folder)
    except ReleaseError as error:
        raise click.ClickException(str(error)) from None
    traffic = list(sittings(read_questions(), seed=seed, days=days, drafts=drafts, until=now))

    async def write(url: str) -> Played:
        await migrate_database(url)
        database = Database(url)
        try:
            with click.progressbar(length=len(traffic), label="writing drafts", file=sys.stderr) as bar:
                return await play(database, classifier, traffic, now, after_draft=lambda: bar.update(1))
        finally:
            await database.close()

    try:
        played = with_url(write)
    except AlreadyPlayed:
        raise click.ClickException(
            f"the traffic of seed {seed} is there already. Give another --seed, or --remove it first."
        ) from None
    click.echo(f"{played.drafts:,} drafts, {played.suggestions:,} suggestions, {played.events:,} events written.")


@main.command()
def recount() -> None:
    """Recount every item from its events, and print how many differ from what is kept."""
    difference = with_session(recount_items)
    click.echo(
        f"{difference.items} items recounted: {difference.missing} differ or are missing, "
        f"{difference.surplus} differ or are surplus."
    )
    if difference.missing or difference.surplus:
        raise click.ClickException("the items kept are not those that the events make")
