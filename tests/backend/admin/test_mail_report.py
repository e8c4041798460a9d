"""The monthly report by mail."""

import socket
from collections.abc import Iterator
from email import message_from_bytes
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from click.testing import CliRunner

from backend.cli import main


class Mailbox:
    """What a mail server got."""

    def __init__(self) -> None:
        self.messages: list[Any] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self.messages.append(message_from_bytes(envelope.content))
        return "250 OK"


@pytest.fixture
def mail_server() -> Iterator[tuple[Mailbox, str]]:
    mailbox = Mailbox()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(mailbox, hostname="127.0.0.1", port=port)
    controller.start()
    yield mailbox, f"smtp://127.0.0.1:{port}/?from=tagalong@example.org&to=a@example.org"
    controller.stop()


def test_the_report_of_a_month_is_mailed_as_a_page_that_needs_nothing_else(
    database_url: str, mail_server: tuple[Mailbox, str]
) -> None:
    mailbox, smtp_url = mail_server
    environment = {"TAGALONG_DATABASE_URL": database_url, "TAGALONG_SMTP_URL": smtp_url, "TAGALONG_MODEL_TIER": "light"}
    result = CliRunner().invoke(main, ["mail-report", "--month", "2026-09"], env=environment)
    assert (result.exit_code, result.output) == (0, "The report of 2026-09 was mailed.\n")
    (mail,) = mailbox.messages
    assert mail["Subject"] == "[Tagalong] Report of 2026-09"
    _, page = mail.get_payload()
    html = page.get_payload(decode=True).decode()
    assert page.get_filename() == "tagalong-2026-09.html"
    assert "Sep 2026" in html
    assert "<style>" in html
    assert "stylesheet" not in html


def test_without_a_mail_server_it_says_what_to_set(database_url: str) -> None:
    result = CliRunner().invoke(main, ["mail-report"], env={"TAGALONG_DATABASE_URL": database_url})
    assert result.exit_code == 1
    assert "set TAGALONG_SMTP_URL" in result.output
    nobody = "smtp://127.0.0.1:1/?from=a@example.org&to=b@example.org"
    environment = {"TAGALONG_DATABASE_URL": database_url, "TAGALONG_SMTP_URL": nobody, "TAGALONG_MODEL_TIER": "light"}
    result = CliRunner().invoke(main, ["mail-report"], env=environment)
    assert result.exit_code == 1
    assert "could not be mailed" in result.output
