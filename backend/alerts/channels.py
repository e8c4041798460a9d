"""The ways by which people are told: e-mail by SMTP, and a webhook."""

import json
import smtplib
import ssl
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

# Nobody waits for it but the next notice. Seconds.
TIMEOUT = 10.0

Occasion = Literal["firing", "resolved", "done"]


@dataclass(frozen=True, slots=True)
class Telling:
    """What is told.

    Attributes:
        key: the same each time it is tried, so that a receiver can know a repetition.
        rule: of an alert, or what was done: ``roll back``, ``verdict``.
        subject: what it is about, where there are many: a tag, a model version.
        occasion: an alert began or ended, or something was done.
        since: when that was.
    """

    key: str
    rule: str
    subject: str
    occasion: Occasion
    title: str
    words: str
    advice: str
    since: str

    @property
    def headline(self) -> str:
        """One line."""
        state = "" if self.occasion == "done" else f"{self.occasion}: "
        return f"[Tagalong] {state}{self.title}" + (f" ({self.subject})" if self.subject else "")


Send = Callable[[Telling], None]


def channels(smtp_url: str, webhook_url: str) -> Mapping[str, Send]:
    """The channels that are set, by name.

    Raises:
        ValueError: an address makes no sense; the message says how to write one.
    """
    found: dict[str, Send] = {}
    if smtp_url:
        found["email"] = email(smtp_url)
    if webhook_url:
        found["webhook"] = webhook(webhook_url)
    return found


def email(url: str) -> Send:
    """Tells by e-mail: ``smtp://user:password@host:587/?from=a@example.org&to=b@example.org,c@example.org``.

    ``smtp`` turns to TLS where the server offers it, and must before a password is sent; ``smtps`` begins with it.
    """
    # In an address a plus is a plus, as in ops+tagalong@example.org, and never stands for a space.
    parts, query = urlsplit(url), parse_qs(urlsplit(url).query.replace("+", "%2B"))
    sender, receivers = query.get("from", [""])[0], query.get("to", [""])[0]
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname or "@" not in sender or "@" not in receivers:
        raise ValueError("must be like smtp://user:password@host:587/?from=a@example.org&to=b@example.org")
    host, port = parts.hostname, parts.port or (465 if parts.scheme == "smtps" else 587)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")

    def send(telling: Telling) -> None:
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = sender, receivers, telling.headline
        message["Date"] = format_datetime(datetime.now(UTC))
        message["Message-ID"] = f"<{telling.key}@{sender.rpartition('@')[2]}>"
        when = "At" if telling.occasion == "done" else "Since"
        message.set_content(f"{telling.words}\n\n{when} {telling.since}.\n\nWhat to do: {telling.advice}\n")
        context = ssl.create_default_context()
        if parts.scheme == "smtps":
            connection: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=TIMEOUT, context=context)
        else:
            connection = smtplib.SMTP(host, port, timeout=TIMEOUT)
        with connection:
            if parts.scheme == "smtp":
                connection.ehlo()
                if connection.has_extn("starttls"):
                    connection.starttls(context=context)
                elif user:
                    raise smtplib.SMTPNotSupportedError("the server offers no TLS, and a password must not go without")
            if user:
                connection.login(user, password)
            connection.send_message(message)

    return send


def webhook(url: str) -> Send:
    """Tells by a POST of JSON; ``Idempotency-Key`` is the same each time it is tried.

    An answer that sends it on is a failure: what follows that is a GET, which tells nobody anything.
    """
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise ValueError("must be like https://example.org/hook")

    def send(telling: Telling) -> None:
        body: dict[str, Any] = {
            "rule": telling.rule,
            "subject": telling.subject,
            "state": telling.occasion,
            "title": telling.title,
            "text": f"{telling.headline}: {telling.words}",
            "words": telling.words,
            "advice": telling.advice,
            "since": telling.since,
        }
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked
            url,
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Idempotency-Key": telling.key},
            method="POST",
        )
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
            if answer.url != request.full_url:
                raise OSError(f"it was sent on to {answer.url}: set that address")

    return send
