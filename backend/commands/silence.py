"""`silence`: notify nobody of an alert until a day."""

from datetime import UTC, date, datetime

import click
from sqlalchemy.ext.asyncio import AsyncSession

from backend.alerts.rules import RulesError, read_rules
from backend.alerts.silences import SilenceError, silence
from backend.audit.service import OPERATOR
from backend.commands.terminal import read_settings, with_session


@click.command(name="silence")
@click.argument("rule")
@click.option("--subject", default="", help="What the alert is about, as a tag or a page. Without it: all of the rule.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="The day (UTC) on which it is notified of again.")
@click.option("--end", is_flag=True, help="End the silence now.")
def silence_alert(rule: str, subject: str, until: datetime | None, end: bool) -> None:
    """Notify nobody of the alerts of RULE until a day; they are judged and shown as ever.

    The names of the rules are those of their file. It is written to the audit log.
    """
    if (until is None) == (not end):
        raise click.UsageError("Give --until with a day, or --end.")
    now = datetime.now(UTC)
    day: date = now.date() if until is None else until.date()
    if until is not None and day <= now.date():
        raise click.UsageError("--until must be a day to come.")
    try:
        rules = read_rules(read_settings().alert_rules)
    except RulesError as error:
        raise click.ClickException(str(error)) from None

    async def work(session: AsyncSession) -> None:
        await silence(session, rules, rule, subject, day, now, actor=OPERATOR)

    try:
        with_session(work)
    except SilenceError as error:
        raise click.ClickException(f"nothing was changed: {error}") from None
    about = f"{rule} ({subject})" if subject else rule
    click.echo(f"{about}: notified of again." if end else f"{about}: nobody is notified before {day}.")
