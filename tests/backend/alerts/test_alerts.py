"""Alerts on a real database: an injected fault fires once, notifies once, and is resolved."""

import asyncio
import http.server
import json
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.utils import parsedate_to_datetime
from typing import Any
from uuid import uuid4

import pytest
from aiosmtpd.controller import Controller
from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.alerts.channels import Notification, make_channels
from backend.alerts.rules import Rule, read_rules
from backend.alerts.service import Alerts
from backend.alerts.tables import AlertRow, NotificationRow
from backend.audit.service import OPERATOR
from backend.deployments.service import roll_back
from backend.drift.findings import Findings
from backend.drift.service import save_findings
from backend.postgres.database import Database
from backend.postgres.locks import AdvisoryLock, wait_for_lock
from backend.web.request_stats import RequestStatsRow
from model.drift.findings import find_drift
from model.drift.reference import reference_of_drafts
from model.drift.traffic import Traffic
from tests.backend.acceptance.traffic import Rows, Writer, store
from tests.backend.experiments.experiment import CHALLENGER, Experiment
from tests.model.drift.generated import VERSION, traffic

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def database(engine: AsyncEngine) -> Any:
    database = Database(engine.url.render_as_string(hide_password=False))
    yield database
    await database.close()


@pytest.fixture
def sent() -> list[Notification]:
    return []


@pytest.fixture
def make_alerts(database: Database, clock: Clock, sent: list[Notification]) -> Callable[..., Alerts]:
    def make(*names: str, rules: dict[str, Rule] | None = None, **more: Any) -> Alerts:
        chosen = {name: rule for name, rule in (rules or read_rules()).items() if not names or name in names}
        return Alerts(database, chosen, more.get("channels", {"list": sent.append}), clock)

    return make


def days_of_traffic(writer: Writer, first: int, last: int, accepted: float, drafts: int = 30) -> Rows:
    """Return drafts on the days from ``first`` to ``last`` days ago, three chips each, a share of them accepted."""
    for back in range(first, last - 1, -1):
        for number in range(drafts):
            begun = NOW - timedelta(days=back, minutes=number)
            draft = writer.draft(begun, posted_at=begun + timedelta(minutes=5), posted_tags=["python", "pandas"])
            suggestion = writer.suggestion(draft, ["python", "pandas", "sql"])
            for tag in suggestion["tags"]:
                chosen = begun if writer.random.random() < accepted else None
                writer.item(suggestion, tag, begun, accepted_at=chosen)
    return writer.rows


def dismiss(writer: Writer, draft: dict[str, Any], tag: str, ago: timedelta) -> None:
    """Write a chip that was seen and dismissed so long ago."""
    writer.item(writer.suggestion(draft, [tag]), tag, NOW - ago, dismissed_at=NOW - ago)


async def states(engine: AsyncEngine) -> list[tuple[str, str, str]]:
    async with engine.begin() as connection:
        rows = await connection.execute(
            select(AlertRow.rule, AlertRow.subject, AlertRow.state).order_by(AlertRow.since, AlertRow.rule)
        )
        return [(row.rule, row.subject, row.state) for row in rows]


async def unjudged(engine: AsyncEngine) -> str | None:
    """Return why the firing alert is not judged."""
    async with engine.begin() as connection:
        return await connection.scalar(select(AlertRow.unjudged).order_by(AlertRow.since.desc()).limit(1))


async def test_a_drop_of_acceptance_fires_once_and_is_resolved(
    make_alerts: Callable[..., Alerts], engine: AsyncEngine, clock: Clock, sent: list[Notification]
) -> None:
    await store(engine, days_of_traffic(Writer(1), 35, 8, 0.40))
    await store(engine, days_of_traffic(Writer(2), 7, 1, 0.25))
    alerts = make_alerts("acceptance_fell", "jaccard_fell", "coverage_low", "too_much_missed")
    for _ in range(5):
        await alerts.evaluate_daily_rules()
        await alerts.notify()
        clock.now += timedelta(hours=1)
    assert await states(engine) == [("acceptance_fell", "", "firing")]
    assert [(notification.rule, notification.occasion) for notification in sent] == [("acceptance_fell", "firing")]
    assert "in the last 7 whole days" in sent[0].words
    # Four weeks later it is what is usual.
    clock.now = NOW + timedelta(days=35)
    await alerts.evaluate_daily_rules()
    assert await states(engine) == [("acceptance_fell", "", "firing")], "nothing to judge by is no recovery"
    writer = Writer(3)
    await store(engine, days_of_traffic(writer, -1, -34, 0.25))
    await alerts.evaluate_daily_rules()
    await alerts.notify()
    assert await states(engine) == [("acceptance_fell", "", "resolved")]
    assert [notification.occasion for notification in sent] == ["firing", "resolved"]


async def test_chance_alone_is_no_drop(
    make_alerts: Callable[..., Alerts], engine: AsyncEngine, sent: list[Notification]
) -> None:
    await store(engine, days_of_traffic(Writer(1), 35, 8, 0.40, drafts=10))
    # Four points less of 210 chips: surely nothing.
    await store(engine, days_of_traffic(Writer(4), 7, 1, 0.36, drafts=10))
    alerts = make_alerts()
    await alerts.evaluate_daily_rules()
    await alerts.notify()
    assert sent == []


async def test_bounds_of_coverage_and_missed(make_alerts: Callable[..., Alerts], engine: AsyncEngine) -> None:
    writer = Writer()
    for number in range(200):
        begun = NOW - timedelta(days=1 + number % 7)
        draft = writer.draft(begun, posted_at=begun, posted_tags=["htmx", "python"])
        writer.suggestion(draft, ["java"], confident=number % 4 == 0)
    await store(engine, writer.rows)
    await make_alerts("coverage_low", "too_much_missed").evaluate_daily_rules()
    assert await states(engine) == [("coverage_low", "", "firing"), ("too_much_missed", "", "firing")]


async def test_a_burst_of_dismissals_names_the_tag(
    make_alerts: Callable[..., Alerts], engine: AsyncEngine, clock: Clock, sent: list[Notification]
) -> None:
    writer = Writer()
    for number, (tag, kind) in enumerate([*[("java", "ask")] * 5, *[("sql", "ask")] * 4, *[("git", "edit")] * 5]):
        dismiss(
            writer, writer.draft(NOW - timedelta(minutes=20), kind=kind), tag, timedelta(minutes=4, seconds=-number)
        )
    await store(engine, writer.rows)
    alerts = make_alerts("tag_dismissed")
    for _ in range(70):
        await alerts.evaluate_frequent_rules()
        await alerts.notify()
        clock.now += timedelta(minutes=1)
    assert await states(engine) == [("tag_dismissed", "java", "resolved")]
    assert [(notification.subject, notification.occasion) for notification in sent] == [
        ("java", "firing"),
        ("java", "resolved"),
    ]
    assert "5 times" in sent[0].words


async def test_an_outage_fires_after_its_while(
    make_alerts: Callable[..., Alerts], engine: AsyncEngine, clock: Clock
) -> None:
    alerts = make_alerts("requests_fail", "suggestions_slow")

    async def minute(failed: int, slow: int) -> list[tuple[str, str, str]]:
        async with engine.begin() as connection:
            await connection.execute(
                insert(RequestStatsRow).values(minute=clock.now, requests=100, failed=failed, suggestions=50, slow=slow)
            )
        await alerts.evaluate_frequent_rules()
        found = await states(engine)
        clock.now += timedelta(minutes=1)
        return found

    assert await minute(0, 0) == []
    assert await minute(50, 0) == [("requests_fail", "", "pending")]
    await minute(50, 0)
    assert await minute(50, 0) == [("requests_fail", "", "firing")]
    for _ in range(30):
        found = await minute(0, 0)
    assert found == [("requests_fail", "", "resolved")]
    for _ in range(6):
        found = await minute(0, 50)
    assert ("suggestions_slow", "", "firing") in found
    for _ in range(40):
        found = await minute(0, 0)
    assert found == [("requests_fail", "", "resolved"), ("suggestions_slow", "", "resolved")]


async def test_silence_is_noticed_where_there_used_to_be_drafts(
    make_alerts: Callable[..., Alerts], engine: AsyncEngine, clock: Clock
) -> None:
    writer = Writer()
    for back in range(1, 8):
        for number in range(24):
            writer.draft(NOW - timedelta(days=back, minutes=5 * number))
    await store(engine, writer.rows)
    alerts = make_alerts("no_drafts")
    await alerts.evaluate_frequent_rules()
    clock.now += timedelta(minutes=10)
    await alerts.evaluate_frequent_rules()
    assert await states(engine) == [("no_drafts", "", "firing")]
    writer.rows = Rows()
    writer.draft(clock.now)
    await store(engine, writer.rows)
    clock.now += timedelta(minutes=1)
    await alerts.evaluate_frequent_rules()
    assert await states(engine) == [("no_drafts", "", "resolved")]


async def test_lost_events_fire(make_alerts: Callable[..., Alerts], engine: AsyncEngine) -> None:
    writer = Writer()
    draft = writer.draft(NOW - timedelta(days=1))
    for number in range(1100):
        writer.event(
            draft, NOW - timedelta(days=1, seconds=-number), lost=int(number % 50 == 0), kind="posted", tags=[]
        )
    await store(engine, writer.rows)
    await make_alerts("events_lost").evaluate_daily_rules()
    assert await states(engine) == [("events_lost", "", "firing")]


async def test_of_many_replicas_one_evaluates_and_each_notification_is_sent_once(
    make_alerts: Callable[..., Alerts], engine: AsyncEngine, sent: list[Notification]
) -> None:
    await store(engine, days_of_traffic(Writer(1), 35, 8, 0.40))
    await store(engine, days_of_traffic(Writer(2), 7, 1, 0.20))
    replicas = [make_alerts("acceptance_fell") for _ in range(4)]
    await asyncio.gather(*(each.evaluate_daily_rules() for each in replicas))
    await asyncio.gather(*(each.notify() for each in replicas))
    assert len(await states(engine)) == 1
    assert len(sent) == 1


async def test_e2_rules_of_days_are_judged_at_the_start_and_then_hourly(
    make_alerts: Callable[..., Alerts], engine: AsyncEngine, clock: Clock
) -> None:
    await store(engine, days_of_traffic(Writer(1), 35, 8, 0.40))
    await store(engine, days_of_traffic(Writer(2), 7, 1, 0.20))
    alerts = make_alerts("acceptance_fell", "requests_fail")
    await alerts.evaluate_due_rules()
    assert await states(engine) == [("acceptance_fell", "", "firing")]
    for minutes, judged in ((59, False), (1, True)):
        async with engine.begin() as connection:
            await connection.execute(delete(AlertRow))
        clock.now += timedelta(minutes=minutes)
        await alerts.evaluate_due_rules()
        assert bool(await states(engine)) == judged


async def test_e2_rules_of_days_wait_no_hour_for_a_replica_that_is_judging(
    make_alerts: Callable[..., Alerts], engine: AsyncEngine
) -> None:
    await store(engine, days_of_traffic(Writer(1), 35, 8, 0.40))
    await store(engine, days_of_traffic(Writer(2), 7, 1, 0.20))
    alerts = make_alerts("acceptance_fell")
    async with engine.begin() as another_replica:
        await wait_for_lock(another_replica, AdvisoryLock.EVALUATE_ALERTS)
        await alerts.evaluate_due_rules()
    assert await states(engine) == []
    await alerts.evaluate_due_rules()
    assert await states(engine) == [("acceptance_fell", "", "firing")]


async def test_a_rule_taken_out_of_the_file_is_resolved(
    make_alerts: Callable[..., Alerts], engine: AsyncEngine
) -> None:
    async with engine.begin() as connection:
        await connection.execute(
            insert(AlertRow).values(id=uuid4(), rule="old", subject="", state="firing", since=NOW, words="It was.")
        )
    await make_alerts("acceptance_fell").evaluate_daily_rules()
    assert await states(engine) == [("old", "", "resolved")]


class Mailbox:
    """What a mail server got."""

    def __init__(self) -> None:
        self.messages: list[Any] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self.messages.append((envelope.rcpt_tos, message_from_bytes(envelope.content)))
        return "250 OK"


@pytest.fixture
def mail_server() -> Iterator[tuple[Mailbox, str]]:
    mailbox = Mailbox()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(mailbox, hostname="127.0.0.1", port=port)
    controller.start()
    yield mailbox, f"smtp://127.0.0.1:{port}/?from=tagalong@example.org&to=a+night@example.org,b@example.org"
    controller.stop()


@pytest.fixture
def hook() -> Iterator[tuple[list[Any], str]]:
    """Run a web server that fails, then redirects, and then accepts what is posted."""
    got: list[Any] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            got.append((self.headers["Idempotency-Key"], body))
            self.send_response({1: 500, 2: 302}.get(len(got), 204))
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield got, f"http://127.0.0.1:{server.server_port}/hook"
    server.shutdown()
    thread.join()
    server.server_close()


async def test_mail_and_webhook_arrive_and_a_failed_one_is_tried_again(
    make_alerts: Callable[..., Alerts],
    engine: AsyncEngine,
    clock: Clock,
    mail_server: tuple[Mailbox, str],
    hook: tuple[list[Any], str],
) -> None:
    (mailbox, smtp_url), (posted, webhook_url) = mail_server, hook
    await store(engine, days_of_traffic(Writer(1), 35, 8, 0.40))
    await store(engine, days_of_traffic(Writer(2), 7, 1, 0.20))
    alerts = make_alerts("acceptance_fell", channels=make_channels(smtp_url, webhook_url))
    await alerts.evaluate_daily_rules()
    await alerts.notify()
    await alerts.notify()
    assert (len(mailbox.messages), len(posted)) == (1, 1), "what failed waits"
    for _ in range(3):
        clock.now += timedelta(minutes=10)
        await alerts.notify()
    ((receivers, mail),) = mailbox.messages
    assert receivers == ["a+night@example.org", "b@example.org"]
    assert mail["Subject"] == "[Tagalong] firing: Acceptance fell"
    assert parsedate_to_datetime(mail["Date"]) <= datetime.now(UTC)
    assert "What to do:" in mail.get_payload()
    assert len(posted) == 3
    assert len({key for key, _ in posted}) == 1
    assert (posted[2][1]["rule"], posted[2][1]["state"]) == ("acceptance_fell", "firing")
    async with engine.begin() as connection:
        rows = await connection.execute(
            select(NotificationRow.channel, NotificationRow.attempts, NotificationRow.error).order_by(
                NotificationRow.channel
            )
        )
        assert [tuple(row) for row in rows] == [("email", 1, None), ("webhook", 3, None)]


async def test_what_is_told_late_says_what_was_then(
    make_alerts: Callable[..., Alerts], engine: AsyncEngine, clock: Clock, sent: list[Notification]
) -> None:
    reachable = False

    def send(notification: Notification) -> None:
        if not reachable:
            raise OSError("nobody there")
        sent.append(notification)

    alerts = make_alerts("tag_dismissed", channels={"list": send})
    writer = Writer()
    for number in range(5):
        dismiss(writer, writer.draft(NOW - timedelta(minutes=20)), "java", timedelta(minutes=4, seconds=number))
    await store(engine, writer.rows)
    for _ in range(70):
        await alerts.evaluate_frequent_rules()
        await alerts.notify()
        clock.now += timedelta(minutes=1)
    reachable = True
    clock.now += timedelta(hours=1)
    await alerts.notify()
    assert {notification.occasion: notification.words for notification in sent} == {
        "firing": "java was dismissed 5 times in 5 minutes, by 5 installs in 5 drafts; usually there is one such draft "
        "in 7 days.",
        "resolved": "Not any more.",
    }


@pytest.fixture
async def experiment(engine: AsyncEngine, database_url: str) -> Any:
    begun = Experiment(engine, database_url, horizon=80)
    await begun.begin()
    yield begun
    await begun.database.close()


async def test_a_guardrails_rollback_is_told_once(
    make_alerts: Callable[..., Alerts],
    experiment: Experiment,
    clock: Clock,
    mail_server: tuple[Mailbox, str],
    hook: tuple[list[Any], str],
) -> None:
    (mailbox, smtp_url), (posted, webhook_url) = mail_server, hook
    for _ in range(40):
        experiment.install("champion", accepts=0.4)
        experiment.install("challenger", accepts=0.4, latency_ms=900.0)
    await experiment.write()
    await experiment.evaluate()
    replicas = [make_alerts(channels=make_channels(smtp_url, webhook_url)) for _ in range(2)]
    for _ in range(4):
        clock.now += timedelta(minutes=10)
        await asyncio.gather(*(each.notify() for each in replicas))
    ((_, mail),) = mailbox.messages
    assert mail["Subject"] == f"[Tagalong] Version 2 was rolled back ({CHALLENGER})"
    words = mail.get_payload(decode=True).decode()
    assert "The service itself rolled back the challenger. Why: guardrail: latency: challenger 100.0 %" in words
    assert "The champion is the shipped model." in words
    assert "At 2026-11-20 14:30 UTC." in words
    # The hook refuses twice: it is tried again, with the same key.
    assert len(posted) == 3
    assert len({key for key, _ in posted}) == 1
    body = posted[-1][1]
    assert (body["rule"], body["subject"], body["state"]) == ("roll back", CHALLENGER, "done")


async def test_a_verdict_is_told_once_and_so_is_a_rollback_by_hand(
    make_alerts: Callable[..., Alerts], experiment: Experiment, clock: Clock, sent: list[Notification]
) -> None:
    alerts = make_alerts()
    for _ in range(40):
        experiment.install("champion", accepts=0.3)
        experiment.install("challenger", accepts=0.6)
    await experiment.write()
    await experiment.evaluate()
    for _ in range(3):
        clock.now += timedelta(minutes=1)
        await alerts.notify()
    (verdict,) = sent
    assert verdict.headline == f"[Tagalong] Version 2: better ({CHALLENGER})"
    found = (await experiment.status()).verdict
    assert found is not None
    assert found.difference is not None
    assert f"Acceptance {found.difference * 100:+.1f} points" in verdict.words
    assert verdict.words.endswith("after 80 installs.")
    assert "`tagalong-server promote` does" in verdict.advice
    async with experiment.database.session() as session:
        await roll_back(session, experiment.values["id"], actor=OPERATOR, reason="no trust", now=clock.now)
    for _ in range(3):
        clock.now += timedelta(minutes=1)
        await alerts.notify()
    assert [notification.rule for notification in sent] == ["verdict", "roll back"]
    assert sent[1].words.startswith("An operator rolled back the challenger. Why: no trust.")


async def test_a_step_of_long_ago_is_no_news(
    make_alerts: Callable[..., Alerts], experiment: Experiment, clock: Clock, sent: list[Notification]
) -> None:
    async with experiment.database.session() as session:
        await roll_back(session, experiment.values["id"], actor=OPERATOR, reason="", now=clock.now)
    clock.now += timedelta(days=2, seconds=1)
    await make_alerts().notify()
    assert sent == []


@pytest.mark.parametrize(
    ("smtp_url", "webhook_url"),
    [
        ("mail.example.org", ""),
        ("smtp://mail.example.org/?from=a@example.org", ""),
        ("smtp://mail.example.org/?from=tagalong&to=a@example.org", ""),
        ("", "example.org/hook"),
        ("", "file:///etc/passwd"),
    ],
)
def test_an_address_that_makes_no_sense_is_refused(smtp_url: str, webhook_url: str) -> None:
    with pytest.raises(ValueError, match="must be like"):
        make_channels(smtp_url, webhook_url)


async def test_imported_drift_fires_by_its_kind_and_is_resolved_by_an_import_without(
    make_alerts: Callable[..., Alerts], database: Database, engine: AsyncEngine, clock: Clock, sent: list[Notification]
) -> None:
    reference = reference_of_drafts(traffic(seed=99, days=30).drafts, VERSION, "generated")
    alerts = make_alerts("drift")

    async def after(days: int, came: Traffic) -> list[tuple[str, str, str]]:
        # As if the traffic ended on the day before.
        span = {"since": str(clock.now.date() - timedelta(days=14)), "until": str(clock.now.date() - timedelta(days=1))}
        async with database.session() as session:
            await save_findings(session, Findings.model_validate(find_drift(came, reference) | span), clock.now)
        for _ in range(3):
            await alerts.evaluate_daily_rules()
            await alerts.notify()
        clock.now += timedelta(days=days)
        return await states(engine)

    assert await after(1, traffic(seed=3)) == []
    assert await after(1, traffic(seed=3, lengths=(0.3, 0.45, 0.2, 0.05))) == [("drift", "data", "firing")]
    assert "body_chars" in sent[0].words
    concept = traffic(seed=3, relation=lambda score: 0.7 * score)
    assert await after(1, concept) == [("drift", "data", "resolved"), ("drift", "concept", "firing")]
    model = traffic(seed=3, missed=2.2, unknown=0.6)
    assert sorted(await after(20, model)) == [
        ("drift", "concept", "resolved"),
        ("drift", "data", "resolved"),
        ("drift", "model", "firing"),
    ]
    # An import of three weeks ago says nothing about today, neither good nor bad, and the alert says so.
    await alerts.evaluate_daily_rules()
    assert ("drift", "model", "firing") in await states(engine)
    assert "more than 14 whole days ago" in str(await unjudged(engine))
    assert len(sent) == 5, "nobody is notified again, neither of the drift nor of its end"
    assert await after(1, traffic(seed=3)) == [
        ("drift", subject, "resolved") for subject in ("data", "concept", "model")
    ]
    assert len(sent) == 6
    assert await unjudged(engine) is None


async def test_drift_that_was_old_when_it_came_fires_nothing(
    make_alerts: Callable[..., Alerts], database: Database, engine: AsyncEngine, clock: Clock
) -> None:
    reference = reference_of_drafts(traffic(seed=99, days=30).drafts, VERSION, "generated")
    came = find_drift(traffic(seed=3, lengths=(0.3, 0.45, 0.2, 0.05)), reference)
    for days, state in ((16, []), (15, [("drift", "data", "firing")])):
        span = {"since": "2026-10-01", "until": str(clock.now.date() - timedelta(days=days))}
        async with database.session() as session:
            await save_findings(session, Findings.model_validate(came | span), clock.now)
        await make_alerts("drift").evaluate_daily_rules()
        assert await states(engine) == state


async def test_drift_of_demo_traffic_wakes_nobody(
    make_alerts: Callable[..., Alerts], database: Database, engine: AsyncEngine, clock: Clock
) -> None:
    reference = reference_of_drafts(traffic(seed=99, days=30).drafts, VERSION, "generated")
    span = {"since": str(clock.now.date() - timedelta(days=14)), "until": str(clock.now.date() - timedelta(days=1))}
    drifted = find_drift(traffic(seed=3, lengths=(0.3, 0.45, 0.2, 0.05)), reference) | span
    later = clock.now + timedelta(minutes=1)
    async with database.session() as session:
        await save_findings(session, Findings.model_validate(drifted), clock.now)
        # The same days of the demo take nobody's place.
        await save_findings(session, Findings.model_validate(drifted | {"kind": "demo", "columns": []}), later)
    await make_alerts("drift").evaluate_daily_rules()
    assert await states(engine) == [("drift", "data", "firing")]
    async with database.session() as session:
        await save_findings(session, Findings.model_validate(find_drift(traffic(seed=3), reference) | span), clock.now)
        await save_findings(session, Findings.model_validate(drifted | {"kind": "demo"}), later)
    await make_alerts("drift").evaluate_daily_rules()
    assert await states(engine) == [("drift", "data", "resolved")]


async def test_drift_below_the_bound_of_the_rule_is_quiet(
    make_alerts: Callable[..., Alerts], database: Database, engine: AsyncEngine, clock: Clock
) -> None:
    reference = reference_of_drafts(traffic(seed=99, days=30).drafts, VERSION, "generated")
    span = {"since": str(clock.now.date() - timedelta(days=14)), "until": str(clock.now.date() - timedelta(days=1))}
    came = find_drift(traffic(seed=3, lengths=(0.3, 0.45, 0.2, 0.05)), reference) | span
    async with database.session() as session:
        await save_findings(session, Findings.model_validate(came), clock.now)
    rule = read_rules()["drift"]
    await make_alerts(rules={"drift": rule.model_copy(update={"bound": 3.0})}).evaluate_daily_rules()
    assert await states(engine) == []
    await make_alerts(rules={"drift": rule.model_copy(update={"least": 100_000})}).evaluate_daily_rules()
    assert await states(engine) == []
    await make_alerts(rules={"drift": rule}).evaluate_daily_rules()
    assert await states(engine) == [("drift", "data", "firing")]
