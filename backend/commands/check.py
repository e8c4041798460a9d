"""`check`: find what is unsafe or missing in an installation, before its users do."""

import asyncio
import ipaddress
import resource
import shutil
import smtplib
import socket
import stat
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal
from urllib.parse import urlsplit

import click
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, NullPool, make_url, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from backend.alerts.channels import TIMEOUT
from backend.alerts.rules import RulesError, read_rules
from backend.commands.terminal import database_url, read_settings
from backend.deployments.registry import find_file_faults, read_version
from backend.postgres.database import DAMAGE, REPAIR_ADVICE, TOO_SLOW, error_message, sqlstate
from backend.postgres.database_url import create_engine
from backend.postgres.embedded.errors import EmbeddedFailure
from backend.postgres.embedded.programs import VERSION
from backend.postgres.migrate import alembic_config
from backend.settings import ARGON2_PREFIX, Settings
from model.serving import Classifier, RegistryError, ReleaseError, version_numbers

MUST: Final = "must"
SHOULD: Final = "should"

MIN_SECRET_LENGTH = 16  # characters
MIN_FREE_SPACE = 1 << 30  # bytes
MIN_OPEN_FILES = 1024
READ_TIMEOUT = 60.0  # seconds that reading all rows may take
MAX_CLOCK_SKEW = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that must or should be fixed: what is wrong, and what to do."""

    severity: Literal["must", "should"]
    subject: str
    message: str


Findings = Iterator[Finding]


@click.command()
def check() -> None:
    """Check these settings, and the database, model and mail server that they name, for what is unsafe or missing.

    Each line says what to do. The exit status is 1 if something must be fixed; what only should be passes.
    """
    settings = read_settings()
    findings = [
        *check_access(settings),
        *check_proxy(settings),
        *check_machine(settings),
        *check_models(settings),
        *check_alerts(settings),
    ]
    findings += check_database(settings)
    for finding in sorted(findings, key=lambda finding: finding.severity):
        click.echo(f"{finding.severity:<7} {finding.subject}: {finding.message}")
    count = sum(finding.severity == MUST for finding in findings)
    if count:
        raise click.ClickException(f"{count} to fix before this is safe to run.")
    click.echo("Nothing that must be fixed.")


def is_public(settings: Settings) -> bool:
    """Return whether other machines can reach the service."""
    if settings.host == "localhost":
        return False
    try:
        return not ipaddress.ip_address(settings.host).is_loopback
    except ValueError:
        return True


def check_access(settings: Settings) -> Findings:
    """Check who gets in."""
    if "*" in settings.allowed_hosts:
        yield Finding(
            MUST,
            "TAGALONG_ALLOWED_HOSTS",
            "'*' lets any web page reach the service through a host name of its own. Name the hosts it is reached by.",
        )
    if not is_public(settings):
        return
    password = settings.admin_password
    if not password and settings.database_url:
        yield Finding(
            MUST,
            "TAGALONG_ADMIN_PASSWORD",
            "not set, so each replica makes one of its own. Set it, or its hash from `tagalong-server hash-password`.",
        )
    elif not password:
        yield Finding(
            MUST,
            "TAGALONG_ADMIN_PASSWORD",
            f"not set, so one was made that is in {settings.data_dir} and in the output of every start, while other "
            "machines can reach /metrics. Set it, or its hash from `tagalong-server hash-password`.",
        )
    elif not password.startswith(ARGON2_PREFIX) and len(password) < MIN_SECRET_LENGTH:
        yield Finding(
            MUST, "TAGALONG_ADMIN_PASSWORD", f"shorter than {MIN_SECRET_LENGTH} characters: others can guess it."
        )
    if not settings.rate_limit:
        yield Finding(
            MUST, "TAGALONG_RATE_LIMIT", "0, so one client can take all the time there is. 600 a minute is plenty."
        )
    if not settings.api_key:
        yield Finding(
            SHOULD,
            "TAGALONG_API_KEY",
            "not set: everybody who reaches the service may use it. Set one if it is for your own people only.",
        )
    elif len(settings.api_key) < MIN_SECRET_LENGTH:
        yield Finding(MUST, "TAGALONG_API_KEY", f"shorter than {MIN_SECRET_LENGTH} characters: others can guess it.")


def check_proxy(settings: Settings) -> Findings:
    """Check the proxy in front of the service, and the replicas behind it."""
    if not is_public(settings):
        return
    if set(settings.allowed_hosts) <= {"127.0.0.1", "localhost", "::1"}:
        yield Finding(
            MUST, "TAGALONG_ALLOWED_HOSTS", "names this machine only: requests from others get 400. Add your host name."
        )
    if "*" in settings.forwarded_allow_ips:
        yield Finding(
            MUST,
            "TAGALONG_FORWARDED_ALLOW_IPS",
            "'*' lets every client invent its address, and so pass the rate limit. Name the proxy's address.",
        )
    elif not settings.forwarded_allow_ips:
        yield Finding(
            SHOULD,
            "TAGALONG_FORWARDED_ALLOW_IPS",
            "empty: behind a proxy all clients would count as one. Name the proxy's address. Without one, everything "
            "goes over the network in plain text: put Caddy in front (deploy/Caddyfile).",
        )
    if not settings.database_url:
        yield Finding(
            SHOULD,
            "TAGALONG_DATABASE_URL",
            "empty: the embedded database serves one process only. Name a PostgreSQL server before you need replicas.",
        )
    elif not settings.drain_seconds:
        yield Finding(
            SHOULD,
            "TAGALONG_DRAIN_SECONDS",
            "0: a replica that is replaced fails the requests that a proxy still sends it. 5 is enough for Caddy.",
        )


def check_machine(settings: Settings) -> Findings:
    """Check the data folder, the disk and the limit of open files."""
    folder = settings.data_dir.expanduser().resolve()
    if folder.is_dir():
        if stat.S_IMODE(folder.stat().st_mode) & stat.S_IRWXO:
            yield Finding(MUST, str(folder), f"other users of this machine can look into it: chmod 700 {folder}")
        password = folder / "admin-password"
        if password.exists() and stat.S_IMODE(password.stat().st_mode) & 0o077:
            yield Finding(MUST, str(password), f"others can read the admin's password: chmod 600 {password}")
    disk = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(disk).free
    if not settings.database_url and free < MIN_FREE_SPACE:
        yield Finding(
            SHOULD, str(folder), f"{free >> 20} MB left on its disk. Events are refused, not lost, once it is full."
        )
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < MIN_OPEN_FILES:
        yield Finding(
            SHOULD,
            "open files",
            f"this process may open {soft} only: each client takes one. ulimit -n {MIN_OPEN_FILES}",
        )


def check_models(settings: Settings) -> Findings:
    """Check the model that is served and those in the registry, with the sha256 of their files."""
    try:
        Classifier.load(settings.model_folder)
    except ReleaseError as error:
        yield Finding(MUST, "the model", str(error))
    for number in version_numbers(settings.registry):
        try:
            faults = find_file_faults(read_version(settings.registry, number))
        except RegistryError as error:
            faults = [str(error)]
        for fault in faults:
            yield Finding(MUST, f"the registry, version {number}", f"{fault}. Register it again, or remove its folder.")


def check_alerts(settings: Settings) -> Findings:
    """Check whether alerts would reach anybody."""
    try:
        read_rules(settings.alert_rules)
    except RulesError as error:
        yield Finding(MUST, "TAGALONG_ALERT_RULES", str(error))
    if settings.smtp_url:
        parts = urlsplit(settings.smtp_url)
        client: type[smtplib.SMTP] = smtplib.SMTP_SSL if parts.scheme == "smtps" else smtplib.SMTP
        try:
            with client(str(parts.hostname), parts.port or (465 if parts.scheme == "smtps" else 587), timeout=TIMEOUT):
                pass
        except (OSError, smtplib.SMTPException) as error:
            yield Finding(
                MUST, "TAGALONG_SMTP_URL", f"no mail server answers at {parts.hostname} ({error}): alerts reach nobody."
            )
    if settings.webhook_url:
        parts = urlsplit(settings.webhook_url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            socket.create_connection((str(parts.hostname), port), timeout=TIMEOUT).close()
        except OSError as error:
            yield Finding(
                MUST,
                "TAGALONG_WEBHOOK_URL",
                f"nobody listens at {parts.hostname}:{port} ({error}): alerts reach nobody.",
            )
    if is_public(settings) and not settings.smtp_url and not settings.webhook_url:
        yield Finding(
            SHOULD,
            "TAGALONG_SMTP_URL, TAGALONG_WEBHOOK_URL",
            "neither is set: alerts stand on /metrics only, where somebody has to look.",
        )


def check_database(settings: Settings) -> list[Finding]:
    """Check whether the database is there, up to date and safe; an embedded one is started for the check."""
    if not settings.database_url and not (settings.data_dir / "postgres").is_dir():
        return []  # the first start makes it
    try:
        with database_url(settings) as url:
            return asyncio.run(inspect_database(url, settings))
    except EmbeddedFailure as error:
        return [Finding(MUST, "the database", f"it can't be reached: {str(error).splitlines()[0]}")]
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        if sqlstate(error).startswith(DAMAGE):
            return [Finding(MUST, "the database", f"it is damaged: {error_message(error)}. {REPAIR_ADVICE}")]
        return [Finding(MUST, "the database", f"it can't be reached: {error_message(error)}")]


async def inspect_database(url: str, settings: Settings) -> list[Finding]:
    """Connect, and check the tables first: what else is read may be wrong if one is damaged."""
    engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": 5})
    try:
        async with engine.connect() as connection:
            if damage := [finding async for finding in check_tables(connection)]:
                return damage
            findings = await connection.run_sync(lambda synchronous: list(check_schema(synchronous, settings)))
            return findings + [finding async for finding in check_server(connection, url)]
    finally:
        await engine.dispose()


async def check_tables(connection: AsyncConnection) -> AsyncIterator[Finding]:
    """Check whether every row of every table can be read; if that takes too long, the rest is left out."""
    tables = await connection.scalars(
        text("SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'")
    )
    deadline = time.monotonic() + READ_TIMEOUT
    for table in tables.all():
        remaining = max(1, round((deadline - time.monotonic()) * 1000))
        try:
            async with connection.begin_nested():
                await connection.execute(text(f"SET LOCAL statement_timeout = {remaining}"))
                # As text, which reads what is stored out of line (TOAST) too.
                await connection.execute(text(f"SELECT count(t::text) FROM {table} t"))
        except DBAPIError as error:
            if sqlstate(error) == TOO_SLOW:
                return
            if not sqlstate(error).startswith(DAMAGE):
                raise
            yield Finding(MUST, f"the table {table}", f"it is damaged: {error_message(error)}. {REPAIR_ADVICE}")
    await connection.execute(text("SET LOCAL statement_timeout = 0"))


def check_schema(connection: Connection, settings: Settings) -> Findings:
    """Check whether the schema is the one of this version, and the models it names are there."""
    script = ScriptDirectory.from_config(alembic_config())
    current = set(MigrationContext.configure(connection).get_current_heads())
    if current - {revision.revision for revision in script.walk_revisions()}:
        yield Finding(MUST, "the database", "a newer version of Tagalong made its schema. Run that version.")
    elif current != set(script.get_heads()):
        yield Finding(MUST, "the database", "its schema is not up to date. Run: tagalong-server migrate")
    else:
        registered = version_numbers(settings.registry)
        for row in connection.execute(
            text("SELECT number, model_version, role FROM deployment WHERE ended_at IS NULL")
        ):
            if row.number not in registered:
                yield Finding(
                    MUST,
                    "TAGALONG_MODELS_DIR",
                    f"{row.model_version} is deployed as {row.role}, and there is no version {row.number} in "
                    f"{settings.registry}: bring it back, or roll it back.",
                )
        yield from check_skipped(connection)
        newest = connection.scalar(text("SELECT max(created_at) FROM suggestion"))
        if newest and newest > datetime.now(UTC) + MAX_CLOCK_SKEW:
            yield Finding(
                MUST,
                "the clock",
                f"it was set back: the newest answer is of {newest:%Y-%m-%d %H:%M} UTC. Let it ask a time server.",
            )


def check_skipped(connection: Connection) -> Findings:
    """Check whether a background job has skipped something that it could not do."""
    for row in connection.execute(
        text(
            "SELECT job, count(*) AS n, min(since) AS since, max(reason) AS reason, "
            "min(subject) FILTER (WHERE job = 'sum up') AS day FROM skipped GROUP BY job ORDER BY job"
        )
    ):
        what = f"{row.n} days, the first {row.day}" if row.day else f"{row.n} drafts"
        yield Finding(
            SHOULD,
            f"the work {row.job!r}",
            f"it leaves out {what}, since {row.since:%Y-%m-%d %H:%M} UTC ({row.reason}), and tries again every hour. "
            "The rest goes on; the log has where it fails.",
        )


async def check_server(connection: AsyncConnection, url: str) -> AsyncIterator[Finding]:
    """Check whether the server is durable, of the right version, near in time, and reached in private."""
    before = datetime.now(UTC)
    row = (
        await connection.execute(
            text(
                "SELECT clock_timestamp() AS now, current_setting('fsync') AS fsync, "
                "current_setting('synchronous_commit') AS committed, current_setting('full_page_writes') AS pages, "
                "(SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS superuser, "
                "current_setting('server_version_num')::int AS version"
            )
        )
    ).one()
    if abs(row.now - before) > MAX_CLOCK_SKEW:
        yield Finding(
            MUST,
            "the clock",
            f"the database's is {abs((row.now - before).total_seconds()):.0f} s off this machine's. Let both ask a "
            "time server.",
        )
    if row.fsync == "off" or row.pages == "off" or row.committed == "off":
        yield Finding(
            MUST,
            "the database",
            "fsync, full_page_writes or synchronous_commit is off: acknowledged events can be lost. Switch them on.",
        )
    if row.superuser:
        yield Finding(SHOULD, "the database", "the service is its superuser; a role that owns one database is enough.")
    if row.version // 10_000 != VERSION:
        yield Finding(
            SHOULD,
            "the database",
            f"it is PostgreSQL {row.version // 10_000}; Tagalong is made and tested with {VERSION}.",
        )
    parts = make_url(url)
    if (
        parts.host
        and not is_local(parts.host)
        and parts.query.get("sslmode") not in ("require", "verify-ca", "verify-full")
    ):
        yield Finding(
            SHOULD,
            "TAGALONG_DATABASE_URL",
            f"the way to {parts.host} may be in plain text: add ?sslmode=verify-full, unless the network is your own.",
        )


def is_local(host: str) -> bool:
    """Return whether a database's host is this machine or a container on it."""
    return host.startswith(("/", "127.")) or host == "::1" or "." not in host
