"""The channels that notifications are sent on: e-mail by SMTP, and a webhook."""

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

# Only the next notification waits for it. Seconds.
TIMEOUT = 10.0

Occasion = Literal["firing", "resolved", "done"]


@dataclass(frozen=True, slots=True)
class Notification:
    """What people are notified of.

    Attributes:
        key: the same on every attempt, so that a receiver can recognise a repetition.
        rule: of an alert, or what was done: ``roll back``, ``verdict``.
        subject: what it is about, if there are many: a tag, a model version.
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


Send = Callable[[Notification], None]


def make_channels(smtp_url: str, webhook_url: str) -> Mapping[str, Send]:
    """Return the channels that are configured, by name.

    Raises:
        ValueError: a URL is invalid; the message says how to write one.
    """
    channels: dict[str, Send] = {}
    if smtp_url:
        channels["email"] = email_channel(smtp_url)
    if webhook_url:
        channels["webhook"] = webhook_channel(webhook_url)
    return channels


def email_channel(url: str) -> Send:
    """Return a function that sends a notification by e-mail; see `mailer` for the URL."""
    send_mail = mailer(url)

    def send(notification: Notification) -> None:
        when = "At" if notification.occasion == "done" else "Since"
        message = EmailMessage()
        message["Subject"] = notification.headline
        message.set_content(
            f"{notification.words}\n\n{when} {notification.since}.\n\nWhat to do: {notification.advice}\n"
        )
        send_mail(message, notification.key)

    return send


def mailer(url: str) -> Callable[[EmailMessage, str], None]:
    """Return a function that sends an e-mail under an id.

    The URL is like ``smtp://user:password@host:587/?from=a@example.org&to=b@example.org``; ``to`` may name several
    receivers, comma-separated. ``smtp`` uses STARTTLS if the server offers it, and requires it to send a password;
    ``smtps`` is TLS from the start.

    Raises:
        ValueError: the URL is invalid.
    """
    # In an address a plus is a plus, as in ops+tagalong@example.org, and never stands for a space.
    parts, query = urlsplit(url), parse_qs(urlsplit(url).query.replace("+", "%2B"))
    sender, receivers = query.get("from", [""])[0], query.get("to", [""])[0]
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname or "@" not in sender or "@" not in receivers:
        raise ValueError("must be like smtp://user:password@host:587/?from=a@example.org&to=b@example.org")
    host, port = parts.hostname, parts.port or (465 if parts.scheme == "smtps" else 587)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")

    def send(message: EmailMessage, key: str) -> None:
        message["From"], message["To"] = sender, receivers
        message["Date"] = format_datetime(datetime.now(UTC))
        message["Message-ID"] = f"<{key}@{sender.rpartition('@')[2]}>"
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


def webhook_channel(url: str) -> Send:
    """Return a function that POSTs JSON; ``Idempotency-Key`` is the same on every attempt.

    A redirect is a failure: what follows it is a GET, which delivers nothing.
    """
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise ValueError("must be like https://example.org/hook")

    def send(notification: Notification) -> None:
        body: dict[str, Any] = {
            "rule": notification.rule,
            "subject": notification.subject,
            "state": notification.occasion,
            "title": notification.title,
            "text": f"{notification.headline}: {notification.words}",
            "words": notification.words,
            "advice": notification.advice,
            "since": notification.since,
        }
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked
            url,
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Idempotency-Key": notification.key},
            method="POST",
        )
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:  # noqa: S310
            if response.url != request.full_url:
                raise OSError(f"it was redirected to {response.url}: set that address")

    return send
