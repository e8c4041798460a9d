"""No event is lost or duplicated, whatever dies meanwhile: worker, browser, service or answer."""

import json
import time
from pathlib import Path

from playwright.sync_api import BrowserContext, Page, Playwright, expect

from tests.extension import browser
from tests.extension.browser import (
    ask_page,
    chip,
    eventually,
    expect_chips,
    inspector_page,
    kill_worker,
    look,
    side,
    store,
    stored,
    write,
)
from tests.extension.recording_server import Failure, RecordingServer

EVENTS = "/api/v1/events"
EXPECTED = [
    ("viewed", "pandas"), ("viewed", "python"), ("viewed", "dataframe"),
    ("accepted", "pandas"), ("dismissed", "python"),
]  # fmt: skip


def write_and_use_chips(page: Page) -> None:
    """Write a draft and cause the ``EXPECTED`` events."""
    write(page)
    expect_chips(page)
    use_chips(page)


def wait_until_viewed(page: Page) -> None:
    """Wait until chips count as viewed, by the page's own timers: on a busy machine they are late, but in order."""
    page.evaluate("() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 950)))")


def use_chips(page: Page) -> None:
    """View the three chips, accept one, dismiss one."""
    wait_until_viewed(page)
    chip(page, "pandas").click()
    expect(look(page, "pandas")).to_have_attribute("data-look", "chosen")
    side(page, "python").click()


def queued_kinds(context: BrowserContext) -> list[str]:
    return [event["kind"] for event in (stored(context, "outbox") or {}).get("events", [])]


def assert_all_received(service: RecordingServer) -> None:
    eventually(lambda: len(service.events) >= len(EXPECTED))
    assert service.received_events() == EXPECTED
    assert sorted(event["sequence"] for event in service.events.values()) == [1, 2, 3, 4, 5]


def sent_ids(service: RecordingServer) -> set[str]:
    return {event["id"] for request in service.requests_to(EVENTS) for event in request.body["events"]}


def flush(context: BrowserContext) -> None:
    """Send what waits, as the popup's button does."""
    inspector_page(context).evaluate("chrome.runtime.sendMessage({type: 'flushOutbox'})")


def test_events_are_sent_as_the_contract_says(consented: BrowserContext, service: RecordingServer) -> None:
    write_and_use_chips(ask_page(consented))
    assert_all_received(service)
    for request in service.requests_to(EVENTS):
        assert request.origin is not None
        assert request.origin.startswith("chrome-extension://")
        assert set(request.body) == {"install_id", "sent_at", "events"}
        assert request.body["install_id"] == stored(consented, "settings")["install_id"]
    assert eventually(lambda: queued_kinds(consented) == [])
    assert len(sent_ids(service)) == len(EXPECTED)


def test_a_service_that_was_down_gets_all_events(consented: BrowserContext, service: RecordingServer) -> None:
    page = ask_page(consented)
    write(page)
    expect_chips(page)
    service.stop()
    use_chips(page)
    assert eventually(lambda: len(queued_kinds(consented)) == len(EXPECTED))
    service.start()
    # An answer to the next keystrokes shows that the service is back.
    write(page, " More")
    assert_all_received(service)
    assert eventually(lambda: queued_kinds(consented) == [])


def test_the_alarm_sends_waiting_events(consented: BrowserContext, service: RecordingServer) -> None:
    service.fail(EVENTS, *[Failure(500)] * 9)
    write_and_use_chips(ask_page(consented))
    assert eventually(lambda: len(queued_kinds(consented)) == len(EXPECTED))
    inspector = inspector_page(consented)
    alarm = inspector.evaluate("chrome.alarms.get('outbox')")
    assert 10 < alarm["scheduledTime"] / 1000 - time.time() < 31
    # Half a minute later:
    kill_worker(consented)
    service.failures.clear()
    store(consented, outbox={**stored(consented, "outbox"), "not_before": 0})
    inspector = inspector_page(consented)
    inspector.evaluate("chrome.alarms.create('outbox', {when: Date.now() + 100})")
    assert_all_received(service)


def test_a_killed_worker_loses_nothing(consented: BrowserContext, service: RecordingServer) -> None:
    page = ask_page(consented)
    write(page)
    expect_chips(page)
    kill_worker(consented)
    page.bring_to_front()
    wait_until_viewed(page)
    kill_worker(consented)
    chip(page, "pandas").click()
    expect(look(page, "pandas")).to_have_attribute("data-look", "chosen")
    kill_worker(consented)
    side(page, "python").click()
    assert_all_received(service)


def test_a_worker_killed_while_sending_resends_the_same_events(
    consented: BrowserContext, service: RecordingServer
) -> None:
    service.fail(EVENTS, *[Failure(200, delay=1.5)] * 2)
    write_and_use_chips(ask_page(consented))
    assert eventually(lambda: service.requests_to(EVENTS))
    kill_worker(consented)
    flush(consented)
    assert_all_received(service)
    assert eventually(lambda: queued_kinds(consented) == [])
    assert len(sent_ids(service)) == len(EXPECTED)


def test_a_posted_question_survives_a_killed_worker(consented: BrowserContext, service: RecordingServer) -> None:
    page = ask_page(consented)
    write_and_use_chips(page)
    page.locator("#wmd-input").fill("A body that is long enough for the page to post it.")
    page.wait_for_timeout(500)
    kill_worker(consented)
    page.locator("#submit-button").click()
    page.wait_for_url("**/questions/79000001/**")
    assert eventually(lambda: ("posted", None) in service.received_events())


def test_events_survive_a_restart_of_the_browser(
    playwright: Playwright, service: RecordingServer, tmp_path: Path
) -> None:
    with browser.launch(playwright, tmp_path) as context:
        store(context, settings=browser.consented_settings(service.url))
        page = ask_page(context)
        write(page)
        expect_chips(page)
        service.stop()
        use_chips(page)
        assert eventually(lambda: len(queued_kinds(context)) == len(EXPECTED))
    service.start()
    assert service.events == {}
    with browser.launch(playwright, tmp_path) as context:
        assert_all_received(service)
        assert eventually(lambda: queued_kinds(context) == [])


def test_lost_answers_duplicate_no_event(consented: BrowserContext, service: RecordingServer) -> None:
    service.fail(EVENTS, *[Failure(lost=True)] * 6)
    write_and_use_chips(ask_page(consented))
    assert eventually(lambda: service.requests_to(EVENTS))
    eventually(lambda: len(queued_kinds(consented)) == len(EXPECTED))
    for _ in range(6):
        if not queued_kinds(consented):
            break
        flush(consented)
    assert_all_received(service)
    assert queued_kinds(consented) == []
    assert len(sent_ids(service)) == len(EXPECTED)


def test_events_without_a_valid_answer_are_kept(consented: BrowserContext, service: RecordingServer) -> None:
    page = ask_page(consented)
    write(page)
    expect_chips(page)
    service.fail(EVENTS, *[Failure(500)] * 99)
    use_chips(page)
    assert eventually(lambda: len(queued_kinds(consented)) == len(EXPECTED))
    # Any answer of the service resumes sending: wait for the one to the accepted tag first.
    assert eventually(lambda: service.drafts[-1]["chosen_tags"] == ["pandas"])
    page.wait_for_timeout(300)
    for failure in (
        Failure(200, text="<p>hello"),
        Failure(200, text="{}"),
        Failure(200, text='{"new": 0, "known": 0, "refused": []}'),
        Failure(200, text='{"new": "5", "known": 0, "refused": []}'),
        Failure(200, text='{"new": 5, "kno'),
        Failure(200, text="<!doctype html><title>Welcome to our Wi-Fi</title>"),
        Failure(302, text="moved"),
        Failure(404),
        Failure(401),
        Failure(500),
    ):
        service.failures.clear()
        service.fail(EVENTS, failure)
        flush(consented)
        assert len(queued_kinds(consented)) == len(EXPECTED), failure
    flush(consented)
    assert_all_received(service)


def test_retry_after_is_respected(consented: BrowserContext, service: RecordingServer) -> None:
    service.fail(EVENTS, Failure(429, retry_after="6"))
    page = ask_page(consented)
    write_and_use_chips(page)
    # Acceptances wait a moment for the page, and still come before that time.
    assert eventually(lambda: len(queued_kinds(consented)) == len(EXPECTED))
    first = service.requests_to(EVENTS)[0].at
    flush(consented)
    write(page, " More")
    page.wait_for_timeout(300)
    assert len(service.requests_to(EVENTS)) == 1
    assert_all_received(service)
    assert service.requests_to(EVENTS)[1].at - first > 5.9


def test_a_malformed_event_is_isolated_and_counted(consented: BrowserContext, service: RecordingServer) -> None:
    service.fail(EVENTS, *[Failure(500)] * 9)
    write_and_use_chips(ask_page(consented))
    assert eventually(lambda: len(queued_kinds(consented)) == len(EXPECTED))
    service.failures.clear()
    service.malformed_tags = {"dataframe"}
    flush(consented)
    eventually(lambda: len(service.events) >= len(EXPECTED) - 1)
    assert service.received_events() == [event for event in EXPECTED if event[1] != "dataframe"]
    assert eventually(lambda: queued_kinds(consented) == [])
    assert stored(consented, "outbox")["lost"] == 1


def test_a_service_that_refuses_everything_does_not_empty_the_outbox(
    consented: BrowserContext, service: RecordingServer
) -> None:
    service.malformed_tags = {"pandas", "python", "dataframe"}
    write_and_use_chips(ask_page(consented))
    assert eventually(lambda: service.requests_to(EVENTS))
    eventually(lambda: len(queued_kinds(consented)) == len(EXPECTED))
    flush(consented)
    assert len(queued_kinds(consented)) == len(EXPECTED)
    service.malformed_tags = set()
    flush(consented)
    eventually(lambda: len(service.events) == len(EXPECTED))
    assert stored(consented, "outbox")["lost"] == 0
    assert service.received_events() == EXPECTED


def press_repeatedly(page: Page, tag: str, times: int) -> None:
    """Press a chip's second button as fast as possible, by a real pointer: a script's clicks do nothing."""
    button = side(page, tag)
    button.scroll_into_view_if_needed()
    box = button.bounding_box()
    assert box
    for _ in range(times):
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


def test_a_page_that_closes_while_the_worker_dies_loses_nothing(
    consented: BrowserContext, service: RecordingServer
) -> None:
    page = ask_page(consented)
    write(page)
    expect_chips(page)
    use_chips(page)
    assert_all_received(service)
    kill_worker(consented)
    press_repeatedly(page, "dataframe", 1)
    page.close()
    kill_worker(consented)
    flush(consented)
    assert eventually(lambda: service.received_events()[len(EXPECTED) :] == [("dismissed", "dataframe")])


def test_events_are_sent_with_the_api_key(consented: BrowserContext, service: RecordingServer) -> None:
    service.api_key = "open sesame"
    store(consented, settings={**stored(consented, "settings"), "api_key": "open sesame"})
    write_and_use_chips(ask_page(consented))
    assert_all_received(service)
    assert {request.key for request in service.requests} == {"Bearer open sesame"}


def test_events_wait_for_the_right_api_key(consented: BrowserContext, service: RecordingServer) -> None:
    page = ask_page(consented)
    write(page)
    expect_chips(page)
    service.api_key = "open sesame"
    use_chips(page)
    assert eventually(lambda: len(queued_kinds(consented)) == len(EXPECTED))
    inspector = inspector_page(consented)
    inspector.evaluate("chrome.runtime.sendMessage({type: 'changeSettings', changes: {api_key: ' open sesame '}})")
    flush(consented)
    assert_all_received(service)


# Makes the extension's own database refuse values larger than so many bytes.
LIMIT_VALUES = """(most) => {
    const put = (self.realPut ??= IDBObjectStore.prototype.put);
    IDBObjectStore.prototype.put = function (value, key) {
        if (JSON.stringify(value).length > most) throw new DOMException("full", "QuotaExceededError");
        return put.call(this, value, key);
    };
}"""


def fill_disk(context: BrowserContext, leave: int) -> None:
    """Leave only so many bytes of the extension's storage, for its outbox and for what pages store."""
    limit_database(context, len(json.dumps(stored(context, "outbox"))) + leave if leave else 0)
    inspector_page(context).evaluate(
        """async (leave) => {
            const fill = async () => {
                const used = await chrome.storage.local.getBytesInUse(null);
                const room = chrome.storage.local.QUOTA_BYTES - used - leave - "filler".length - 2;
                await chrome.storage.local.set({filler: "x".repeat(room)});
            };
            // Once more where the extension itself has put something there meanwhile.
            await fill().catch(fill).catch(fill);
        }""",
        leave,
    )


def limit_database(context: BrowserContext, max_bytes: float) -> None:
    """Make the worker's database refuse values of more than ``max_bytes`` bytes."""
    inspector_page(context).evaluate("chrome.runtime.sendMessage({type: 'wake'})")
    context.service_workers[-1].evaluate(LIMIT_VALUES, max_bytes)


def test_a_full_disk_drops_and_counts_the_oldest(consented: BrowserContext, service: RecordingServer) -> None:
    page = ask_page(consented)
    write(page)
    expect_chips(page)
    service.fail(EVENTS, *[Failure(500)] * 999)
    use_chips(page)
    assert eventually(lambda: len(queued_kinds(consented)) == len(EXPECTED))
    fill_disk(consented, 4000)
    for _ in range(20):
        press_repeatedly(page, "dataframe", 1)
        page.wait_for_timeout(20)
    expected = [*EXPECTED, *[("dismissed", "dataframe"), ("restored", "dataframe")] * 10]
    assert eventually(lambda: stored(consented, "outbox")["sequence"] == len(expected))
    outbox = stored(consented, "outbox")
    assert outbox["lost"] > 0
    assert len(outbox["events"]) == len(expected) - outbox["lost"]
    service.failures.clear()
    limit_database(consented, 1_000_000)
    flush(consented)
    assert eventually(lambda: len(service.events) == len(outbox["events"]))
    assert service.received_events() == expected[outbox["lost"] :], "the newest are kept"
    # The gap, by which the service counts the loss.
    assert min(event["sequence"] for event in service.events.values()) == outbox["lost"] + 1


def test_a_page_waits_for_free_disk_space(consented: BrowserContext, service: RecordingServer) -> None:
    page = ask_page(consented)
    write(page)
    expect_chips(page)
    fill_disk(consented, 0)
    use_chips(page)
    page.wait_for_timeout(500)
    assert service.received_events() == []
    inspector_page(consented).evaluate("chrome.storage.local.remove('filler')")
    limit_database(consented, 1_000_000)
    assert_all_received(service)


def test_a_clock_set_back_delays_nothing(consented: BrowserContext, service: RecordingServer) -> None:
    service.fail(EVENTS, *[Failure(500)] * 9)
    write_and_use_chips(ask_page(consented))
    assert eventually(lambda: len(queued_kinds(consented)) == len(EXPECTED))
    service.failures.clear()
    year = 365 * 24 * 60 * 60 * 1000
    store(consented, outbox={**stored(consented, "outbox"), "not_before": time.time() * 1000 + year, "told": True})
    flush(consented)
    assert_all_received(service)


def test_retry_after_is_limited_to_a_day(consented: BrowserContext, service: RecordingServer) -> None:
    service.fail(EVENTS, Failure(429, retry_after="99999999"))
    write_and_use_chips(ask_page(consented))
    assert eventually(lambda: (stored(consented, "outbox") or {}).get("told"))
    assert stored(consented, "outbox")["not_before"] / 1000 - time.time() <= 24 * 60 * 60


def test_an_event_with_an_impossible_date_is_dated_as_sent(consented: BrowserContext, service: RecordingServer) -> None:
    service.fail(EVENTS, *[Failure(500)] * 9)
    write_and_use_chips(ask_page(consented))
    assert eventually(lambda: len(queued_kinds(consented)) == len(EXPECTED))
    service.failures.clear()
    outbox = stored(consented, "outbox")
    outbox["events"][0]["occurred_at"] = "1970-01-01T00:00:07.000Z"
    store(consented, outbox=outbox)
    requests = len(service.requests_to(EVENTS))
    flush(consented)
    assert_all_received(service)
    dates = {
        (event["occurred_at"], request.body["sent_at"])
        for request in service.requests_to(EVENTS)[requests:]
        for event in request.body["events"]
        if event["sequence"] == 1
    }
    assert dates
    assert all(occurred_at == sent_at for occurred_at, sent_at in dates)


def test_batches_that_are_too_large_are_split(consented: BrowserContext, service: RecordingServer) -> None:
    service.fail(EVENTS, *[Failure(500)] * 9)
    write_and_use_chips(ask_page(consented))
    assert eventually(lambda: len(queued_kinds(consented)) == len(EXPECTED))
    service.failures.clear()
    service.max_events = 2
    flush(consented)
    assert_all_received(service)


def test_a_backlog_is_sent_in_hundreds(consented: BrowserContext, service: RecordingServer) -> None:
    page = ask_page(consented)
    write(page)
    expect_chips(page)
    service.fail(EVENTS, *[Failure(500)] * 99)
    wait_until_viewed(page)
    press_repeatedly(page, "python", 120)
    assert eventually(lambda: len(queued_kinds(consented)) == 123)
    service.failures.clear()
    service.requests.clear()
    flush(consented)
    assert eventually(lambda: len(service.events) == 123)
    assert [len(request.body["events"]) for request in service.requests_to(EVENTS)] == [100, 23]
    assert sorted(event["sequence"] for event in service.events.values()) == list(range(1, 124))


def test_concurrent_messages_get_unique_numbers_without_gaps(
    consented: BrowserContext, service: RecordingServer
) -> None:
    """Three tabs send at the same moment; an event that was sent before is not numbered again."""
    write_and_use_chips(ask_page(consented, "?fresh"))
    assert_all_received(service)
    sent = service.requests_to(EVENTS)[0].body["events"][0]
    sent.pop("sequence")
    new = [{**sent, "id": f"00000000-0000-4000-8000-{number:012d}"} for number in range(60)]
    inspector = inspector_page(consented)
    inspector.evaluate(
        """(events) => Promise.all(events.map(async (event, number) => {
            await chrome.storage.local.set({[`told.${number % 3}.${number}`]: event});
            await chrome.runtime.sendMessage({type: "eventsStored"});
        }))""",
        [sent, *new],
    )
    assert eventually(lambda: len(service.events) == 65)
    assert sorted(event["sequence"] for event in service.events.values()) == list(range(1, 66))
    assert stored(consented, "outbox")["sequence"] == 65
