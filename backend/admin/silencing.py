"""Silencing an alert from the page: what a button's address says, checked."""

from collections.abc import Collection, Mapping
from datetime import date, datetime, timedelta
from urllib.parse import urlencode

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncSession

from backend.admin.templating import TEMPLATES
from backend.alerts.rules import Rule
from backend.alerts.silences import SilenceError, silence
from backend.audit.service import ADMIN
from backend.web.problems import Problem


async def silence_as_asked(session: AsyncSession, request: Request, rules: Collection[str], now: datetime) -> None:
    """Silence the alert that the query names: ``rule``, ``subject`` if any, and ``days`` or ``until``.

    Raises:
        Problem: 403 if no page of this service sent it, 422 if the query makes no sense.
    """
    origin = request.headers.get("origin")
    # The checks of every request let extensions write; here none may use the password that the browser remembers.
    if origin is not None and origin.partition("://")[2] != request.headers.get("host"):
        raise Problem(403, "Foreign origin", "Only this service's own page silences alerts.")
    query = request.query_params
    try:
        until = read_day(query.get("days", ""), query.get("until", ""), now)
        await silence(session, rules, query.get("rule", ""), query.get("subject", ""), until, now, actor=ADMIN)
    except SilenceError as error:
        raise Problem(422, "Not silenced", f"Nothing was changed: {error}.") from error


def render_silence_form(request: Request, rules: Mapping[str, Rule], now: datetime) -> str:
    """Render the page with the button that silences the alert that the query names until a day.

    Raises:
        Problem: 422 if the query makes no sense.
    """
    query = request.query_params
    try:
        until = read_day(query.get("days", ""), query.get("until", ""), now)
        rule, subject = query.get("rule", ""), query.get("subject", "")
        if rule not in rules:
            raise SilenceError(f"there is no rule {rule!r}; there are {', '.join(rules)}")
    except SilenceError as error:
        raise Problem(422, "Not silenced", f"Nothing was changed: {error}.") from error
    address = urlencode({"rule": rule, "subject": subject, "until": until.isoformat()})
    return TEMPLATES.get_template("silence.html").render(
        title=rules[rule].title, subject=subject, until=until, address=f"/metrics/alerts/silence?{address}"
    )


def read_day(days: str, until: str, now: datetime) -> date:
    """Return the day that a silence ends: in so many days, or a date; ``days`` 0 ends it now.

    Raises:
        SilenceError: neither is there, or it is no number of days and no date.
    """
    try:
        return now.date() + timedelta(days=int(days)) if days else date.fromisoformat(until)
    except (ValueError, OverflowError):
        raise SilenceError("give 'days', as days=7, or 'until', a date as 2026-12-31") from None
