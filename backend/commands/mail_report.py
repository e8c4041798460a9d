"""`mail-report`: send the report of the last month by e-mail, for a monthly cron job."""

import smtplib
from datetime import UTC, datetime
from email.message import EmailMessage

import click
from sqlalchemy.ext.asyncio import AsyncSession

from backend.acceptance.choices import list_choices
from backend.acceptance.statements import begin_snapshot
from backend.acceptance.value_estimate import Assumptions
from backend.admin.panels.request import PanelRequest
from backend.admin.query import parse_query
from backend.admin.report import name_month, read_report, render_report
from backend.admin.templating import STYLE
from backend.alerts.channels import mailer
from backend.alerts.rules import read_rules
from backend.commands.terminal import read_settings, served_model, with_session

STYLE_LINK = '<link rel="stylesheet" href="/metrics/style.css">'


@click.command(name="mail-report")
@click.option("--month", type=click.DateTime(["%Y-%m"]), help="The month; without it, the last one that has drafts.")
def mail_report(month: datetime | None) -> None:
    """Mail the report of a month to where alerts are mailed (TAGALONG_SMTP_URL)."""
    settings = read_settings()
    if not settings.smtp_url:
        raise click.ClickException("set TAGALONG_SMTP_URL to where the report is mailed")
    send, now = mailer(settings.smtp_url), datetime.now(UTC)

    async def render(session: AsyncSession) -> tuple[str, str]:
        await begin_snapshot(session)
        choices = await list_choices(session)
        filters = [("month", f"{month:%Y-%m}")] if month else []
        pairs, empty_month = await name_month(session, filters, now.date())
        view = parse_query(pairs, choices, now.date())
        vocabulary = (await served_model(session)).known
        assumptions = Assumptions(settings.value_seconds_per_tag, settings.value_price_per_core_hour)
        request = PanelRequest(session, view, vocabulary, now, read_rules(settings.alert_rules), assumptions)
        html = render_report(await read_report(request), empty_month)
        # A mail can fetch nothing from the service.
        return f"{view.filters.since:%Y-%m}", html.replace(STYLE_LINK, f"<style>{STYLE}</style>")

    name, html = with_session(render)
    message = EmailMessage()
    message["Subject"] = f"[Tagalong] Report of {name}"
    message.set_content(f"The report of {name} is attached, as a page to open in a browser or to print.\n")
    message.add_attachment(html, subtype="html", filename=f"tagalong-{name}.html")
    try:
        send(message, f"report-{name}-{now:%Y%m%d%H%M%S}")
    except (OSError, smtplib.SMTPException) as error:
        raise click.ClickException(f"the report could not be mailed: {error}") from None
    click.echo(f"The report of {name} was mailed.")
