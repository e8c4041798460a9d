"""`export` and `drift-import`: the traffic out to `tagalong-model drift`, and its findings back in."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from backend.acceptance.filters import KINDS
from backend.audit.service import record_act
from backend.commands.terminal import served_model, with_session, write_lines
from backend.drift.export import export_lines
from backend.drift.findings import Findings
from backend.drift.service import save_findings

DAY = click.DateTime(["%Y-%m-%d"])
DEFAULT_DAYS = 28


@click.command()
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.option("--since", type=DAY, help=f"First day (UTC), like 2026-11-01.  [default: {DEFAULT_DAYS} days]")
@click.option("--until", type=DAY, help="Last day (UTC).  [default: yesterday]")
@click.option("--kind", type=click.Choice(KINDS), default="ask", show_default=True, help="Kind of drafts.")
def export(out: Path, since: datetime | None, until: datetime | None, kind: str) -> None:
    """Write the traffic to OUT as JSON lines, for `tagalong-model drift`; OUT.gz is compressed, - is the terminal.

    It has lengths, scores, offered tags, how many tags were posted and which of the offered were among them; no text,
    no draft, no install, and no posted tag that was not offered.
    """
    last = until.date() if until else datetime.now(UTC).date() - timedelta(days=1)
    first = since.date() if since else last - timedelta(days=DEFAULT_DAYS - 1)
    if first > last:
        raise click.ClickException(f"--since {first} is after --until {last}.")

    async def write(session: AsyncSession) -> int:
        model = await served_model(session)
        lines = await write_lines(export_lines(session, first, last, kind, model.known, model.version), out)
        await record_act(session, "export", "what came in", {"since": str(first), "until": str(last), "kind": kind})
        return lines

    lines = with_session(write)
    click.echo(f"{first} to {last}: {lines:,} lines, in {out}", err=True)


@click.command("drift-import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
def drift_import(file: Path) -> None:
    """Import the findings that `tagalong-model drift --json FILE` wrote: /metrics shows them, alerts read them."""
    try:
        findings = Findings.model_validate_json(file.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise click.ClickException(
            f"{file} is not what `tagalong-model drift --json` writes: {place}: {first['msg']}"
        ) from None

    today = datetime.now(UTC).date()
    if not findings.since <= findings.until <= today:
        # They would count as the newest until that day.
        raise click.ClickException(f"{file} covers {findings.since} to {findings.until}, and today is {today} (UTC).")

    async def store(session: AsyncSession) -> None:
        await save_findings(session, findings, datetime.now(UTC))
        await record_act(
            session, "import drift", findings.model_version, {"until": str(findings.until), "found": findings.found}
        )

    with_session(store)
    click.echo(f"{findings.since} to {findings.until}: {findings.verdict}. See /metrics.")
