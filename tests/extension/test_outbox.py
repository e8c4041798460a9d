"""No event is lost, none is sent as another, whatever dies meanwhile: worker, browser, service or answer."""

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
DONE = [
    ("viewed", "pandas"), ("viewed", "python"), ("viewed", "dataframe"),
    ("accepted", "pandas"), ("dismissed", "python"),
]  # fmt: skip


def write_and_act(page: Page) -> None:
    """Does ``DONE``."""
    write(page)
    expect_chips(page)
    act(page)


def look_long_enough(page: Page) -> None:
    """Until chips count as viewed, by the page's own timers: on a busy machine they are late, but in order."""
    page.evaluate("() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 950)))")


def act(page: Page) -> None:
    """Looks at the three chips, accepts one, dismisses one."""
    look_long_enough(page)
    chip(page, "pandas").click()
    expect(look(page, "pandas")).to_have_attribute("data-look", "chosen")
    side(page, "python").click()


def waiting(context: BrowserContext) -> list[str]:
    return [event["kind"] for event in (stored(context, "outbox") or {}).get("events", [])]


def assert_all_arrived(service: RecordingServer) -> None:
    eventually(lambda: len(service.events) >= len(DONE))
    assert service.received_events() == DONE
    assert sorted(event["sequence"] for event in service.events.values()) == [1, 2, 3, 4, 5]


def ids_sent(service: RecordingServer) -> set[str]:
    return {event["id"] for request in service.requests_to(EVENTS) for event in request.body["events"]}


def send_now(context: BrowserContext) -> None:
    """As the popup's button does."""
    room = inspector_page(context)
    room.evaluate("chrome.runtime.sendMessage({type: 'flushOutbox'})")


def test_events_go_out_as_the_contract_says(consented: BrowserContext, service: RecordingServer) -> None:
    write_and_act(ask_page(consented))
    assert_all_arrived(service)
    for request in service.requests_to(EVENTS):
        assert request.origin is not None
        assert request.origin.startswith("chrome-extension://")
        assert set(request.body) == {"install_id", "sent_at", "events"}
        assert request.body["install_id"] == stored(consented, "settings")["install_id"]
    assert eventually(lambda: waiting(consented) == [])
    assert len(ids_sent(service)) == len(DONE)


def test_a_service_that_is_down_gets_all_once_it_is_up(consented: BrowserContext, service: RecordingServer) -> None:
    page = ask_page(consented)
    write(page)
    expect_chips(page)
    service.stop()
    act(page)
    assert eventually(lambda: len(waiting(consented)) == len(DONE))
    service.start()
    # An answer to the next keystrokes shows that it is back.
    write(page, " More")
    assert_all_arrived(service)
    assert eventually(lambda: waiting(consented) == [])


def test_the_alarm_sends_what_waits(consented: BrowserContext, service: RecordingServer) -> None:
    service.fail(EVENTS, *[Failure(500)] * 9)
    write_and_act(ask_page(consented))
    assert eventually(lambda: len(waiting(consented)) == len(DONE))
    room = inspector_page(consented)
    alarm = room.evaluate("chrome.alarms.get('outbox')")
    assert 10 < alarm["scheduledTime"] / 1000 - time.time() < 31
    # Half a minute later:
    kill_worker(consented)
    service.failures.clear()
    store(consented, outbox={**stored(consented, "outbox"), "not_before": 0})
    room = inspector_page(consented)
    room.evaluate("chrome.alarms.create('outbox', {when: Date.now() + 100})")
    assert_all_arrived(service)


def test_a_killed_worker_loses_nothing(consented: BrowserContext, service: RecordingServer) -> None:
    page = ask_page(consented)
    write(page)
    expect_chips(page)
    kill_worker(consented)
    page.bring_to_front()
    look_long_enough(page)
    kill_worker(consented)
    chip(page, "pandas").click()
    expect(look(page, "pandas")).to_have_attribute("data-look", "chosen")
    kill_worker(consented)
    side(page, "python").click()
    assert_all_arrived(service)


def test_a_worker_killed_while_sending_sends_the_same_again(
    consented: BrowserContext, service: RecordingServer
) -> None:
    service.fail(EVENTS, *[Failure(200, delay=1.5)] * 2)
    write_and_act(ask_page(consented))
    assert eventually(lambda: service.requests_to(EVENTS))
    kill_worker(consented)
    send_now(consented)
    assert_all_arrived(service)
    assert eventually(lambda: waiting(consented) == [])
    assert len(ids_sent(service)) == len(DONE)


def test_a_posting_survives_a_killed_worker(consented: BrowserContext, service: RecordingServer) -> None:
    page = ask_page(consented)
    write_and_act(page)
    page.locator("#wmd-input").fill("A body that is long enough for the page to post it.")
    page.wait_for_timeout(500)
    kill_worker(consented)
    page.locator("#submit-button").click()
    page.wait_for_url("**/questions/79000001/**")
    assert eventually(lambda: ("posted", None) in service.received_events())


def test_a_closed_browser_sends_when_it_opens_again(
    playwright: Playwright, service: RecordingServer, tmp_path: Path
) -> None:
    with browser.launch(playwright, tmp_path) as context:
        store(context, settings=browser.consented_settings(service.url))
        page = ask_page(context)
        write(page)
        expect_chips(page)
        service.stop()
        act(page)
        assert eventually(lambda: len(waiting(context)) == len(DONE))
    service.start()
    assert service.events == {}
    with browser.launch(playwright, tmp_path) as context:
        assert_all_arrived(service)
        assert eventually(lambda: waiting(context) == [])


def test_lost_answers_make_no_event_twice(consented: BrowserContext, service: RecordingServer) -> None:
    service.fail(EVENTS, *[Failure(lost=True)] * 6)
    write_and_act(ask_page(consented))
    assert eventually(lambda: service.requests_to(EVENTS))
    eventually(lambda: len(waiting(consented)) == len(DONE))
    for _ in range(6):
        if not waiting(consented):
            break
        send_now(consented)
    assert_all_arrived(service)
    assert waiting(consented) == []
    assert len(ids_sent(service)) == len(DONE)


def test_what_is_not_answered_for_is_kept(consented: BrowserContext, service: RecordingServer) -> None:
    page = ask_page(consented)
    write(page)
    expect_chips(page)
    service.fail(EVENTS, *[Failure(500)] * 99)
    act(page)
    assert eventually(lambda: len(waiting(consented)) == len(DONE))
    # Any answer of the service makes the outbox try again: let the one to the accepted tag pass first.
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
        send_now(consented)
        assert len(waiting(consented)) == len(DONE), failure
    send_now(consented)
    assert_all_arrived(service)


def test_a_named_time_is_kept_to(consented: BrowserContext, service: RecordingServer) -> None:
    service.fail(EVENTS, Failure(429, retry_after="6"))
    page = ask_page(consented)
    write_and_act(page)
    # Acceptances wait a moment for the page, and still come before the named time.
    assert eventually(lambda: len(waiting(consented)) == len(DONE))
    first = service.requests_to(EVENTS)[0].at
    send_now(consented)
    write(page, " More")
    page.wait_for_timeout(300)
    assert len(service.requests_to(EVENTS)) == 1
    assert_all_arrived(service)
    assert service.requests_to(EVENTS)[1].at - first > 5.9


def test_a_malformed_event_is_isolated_and_counted(consented: BrowserContext, service: RecordingServer) -> None:
    service.fail(EVENTS, *[Failure(500)] * 9)
    write_and_act(ask_page(consented))
    assert eventually(lambda: len(waiting(consented)) == len(DONE))
    service.failures.clear()
    service.malformed_tags = {"dataframe"}
    send_now(consented)
    eventually(lambda: len(service.events) >= len(DONE) - 1)
    assert service.received_events() == [event for event in DONE if event[1] != "dataframe"]
    assert eventually(lambda: waiting(consented) == [])
    assert stored(consented, "outbox")["lost"] == 1


def test_a_service_that_refuses_everything_does_not_empty_the_outbox(
    consented: BrowserContext, service: RecordingServer
) -> None:
    service.malformed_tags = {"pandas", "python", "dataframe"}
    write_and_act(ask_page(consented))
    assert eventually(lambda: service.requests_to(EVENTS))
    eventually(lambda: len(waiting(consented)) == len(DONE))
    send_now(consented)
    assert len(waiting(consented)) == len(DONE)
    service.malformed_tags = set()
    send_now(consented)
    eventually(lambda: len(service.events) == len(DONE))
    assert stored(consented, "outbox")["lost"] == 0
    assert service.received_events() == DONE


def press_often(page: Page, tag: str, times: int) -> None:
    """Presses a chip's second button as fast as it goes, by a real pointer: a script's clicks do nothing."""
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
    act(page)
    assert_all_arrived(service)
    kill_worker(consented)
    press_often(page, "dataframe", 1)
    page.close()
    kill_worker(consented)
    send_now(consented)
    assert eventually(lambda: service.received_events()[len(DONE) :] == [("dismissed", "dataframe")])


def test_a_key_opens_a_closed_service(consented: BrowserContext, service: RecordingServer) -> None:
    service.api_key = "open sesame"
    store(consented, settings={**stored(consented, "settings"), "api_key": "open sesame"})
    write_and_act(ask_page(consented))
    assert_all_arrived(service)
    assert {request.key for request in service.requests} == {"Bearer open sesame"}


def test_without_its_key_the_service_gets_the_events_later(consented: BrowserContext, service: RecordingServer) -> None:
    page = ask_page(consented)
    write(page)
    expect_chips(page)
    service.api_key = "open sesame"
    act(page)
    assert eventually(lambda: len(waiting(consented)) == len(DONE))
    room = inspector_page(consented)
    room.evaluate("chrome.runtime.sendMessage({type: 'changeSettings', changes: {api_key: ' open sesame '}})")
    send_now(consented)
    assert_all_arrived(service)


# Of the extension's own database: what is larger than so many bytes finds no room.
LIMIT = """(most) => {
    const put = (self.realPut ??= IDBObjectStore.prototype.put);
    IDBObjectStore.prototype.put = function (value, key) {
        if (JSON.stringify(value).length > most) throw new DOMException("full", "QuotaExceededError");
        return put.call(this, value, key);
    };
}"""


def fill_disk(context: BrowserContext, leave: int) -> None:
    """Leaves so many bytes of what the extension may store, for its outbox and for what pages hand over."""
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


def limit_database(context: BrowserContext, most: float) -> None:
    """The worker's database takes values of so many bytes at most."""
    inspector_page(context).evaluate("chrome.runtime.sendMessage({type: 'wake'})")
    context.service_workers[-1].evaluate(LIMIT, most)


def test_where_the_disk_is_full_the_oldest_go_and_are_counted(
    consented: BrowserContext, service: RecordingServer
) -> None:
    page = ask_page(consented)
    write(page)
    expect_chips(page)
    service.fail(EVENTS, *[Failure(500)] * 999)
    act(page)
    assert eventually(lambda: len(waiting(consented)) == len(DONE))
    fill_disk(consented, 4000)
    for _ in range(20):
        press_often(page, "dataframe", 1)
        page.wait_for_timeout(20)
    told = [*DONE, *[("dismissed", "dataframe"), ("restored", "dataframe")] * 10]
    assert eventually(lambda: stored(consented, "outbox")["sequence"] == len(told))
    kept = stored(consented, "outbox")
    assert kept["lost"] > 0
    assert len(kept["events"]) == len(told) - kept["lost"]
    service.failures.clear()
    limit_database(consented, 1_000_000)
    send_now(consented)
    assert eventually(lambda: len(service.events) == len(kept["events"]))
    assert service.received_events() == told[kept["lost"] :], "the newest are kept"
    # The gap, by which the service counts the loss.
    assert min(event["sequence"] for event in service.events.values()) == kept["lost"] + 1


def test_a_page_waits_for_room_on_the_disk(consented: BrowserContext, service: RecordingServer) -> None:
    page = ask_page(consented)
    write(page)
    expect_chips(page)
    fill_disk(consented, 0)
    act(page)
    page.wait_for_timeout(500)
    assert service.received_events() == []
    inspector_page(consented).evaluate("chrome.storage.local.remove('filler')")
    limit_database(consented, 1_000_000)
    assert_all_arrived(service)


def test_a_clock_set_back_silences_nobody(consented: BrowserContext, service: RecordingServer) -> None:
    service.fail(EVENTS, *[Failure(500)] * 9)
    write_and_act(ask_page(consented))
    assert eventually(lambda: len(waiting(consented)) == len(DONE))
    service.failures.clear()
    year = 365 * 24 * 60 * 60 * 1000
    store(consented, outbox={**stored(consented, "outbox"), "not_before": time.time() * 1000 + year, "told": True})
    send_now(consented)
    assert_all_arrived(service)


def test_a_service_asks_for_a_day_of_silence_at_most(consented: BrowserContext, service: RecordingServer) -> None:
    service.fail(EVENTS, Failure(429, retry_after="99999999"))
    write_and_act(ask_page(consented))
    assert eventually(lambda: (stored(consented, "outbox") or {}).get("told"))
    assert stored(consented, "outbox")["not_before"] / 1000 - time.time() <= 24 * 60 * 60


def test_an_event_of_a_machine_without_a_clock_is_dated_as_sent(
    consented: BrowserContext, service: RecordingServer
) -> None:
    service.fail(EVENTS, *[Failure(500)] * 9)
    write_and_act(ask_page(consented))
    assert eventually(lambda: len(waiting(consented)) == len(DONE))
    service.failures.clear()
    outbox = stored(consented, "outbox")
    outbox["events"][0]["occurred_at"] = "1970-01-01T00:00:07.000Z"
    store(consented, outbox=outbox)
    before = len(service.requests_to(EVENTS))
    send_now(consented)
    assert_all_arrived(service)
    dated = {
        (event["occurred_at"], request.body["sent_at"])
        for request in service.requests_to(EVENTS)[before:]
        for event in request.body["events"]
        if event["sequence"] == 1
    }
    assert dated
    assert all(occurred_at == sent_at for occurred_at, sent_at in dated)


def test_batches_too_large_are_split(consented: BrowserContext, service: RecordingServer) -> None:
    service.fail(EVENTS, *[Failure(500)] * 9)
    write_and_act(ask_page(consented))
    assert eventually(lambda: len(waiting(consented)) == len(DONE))
    service.failures.clear()
    service.max_events = 2
    send_now(consented)
    assert_all_arrived(service)


def test_an_old_backlog_goes_out_in_hundreds(consented: BrowserContext, service: RecordingServer) -> None:
    page = ask_page(consented)
    write(page)
    expect_chips(page)
    service.fail(EVENTS, *[Failure(500)] * 99)
    look_long_enough(page)
    press_often(page, "python", 120)
    assert eventually(lambda: len(waiting(consented)) == 123)
    service.failures.clear()
    service.requests.clear()
    send_now(consented)
    assert eventually(lambda: len(service.events) == 123)
    assert [len(request.body["events"]) for request in service.requests_to(EVENTS)] == [100, 23]
    assert sorted(event["sequence"] for event in service.events.values()) == list(range(1, 124))


def test_messages_at_once_get_numbers_without_gaps_or_doubles(
    consented: BrowserContext, service: RecordingServer
) -> None:
    """Three tabs tell at the same moment; what was sent before is not numbered again."""
    write_and_act(ask_page(consented, "?fresh"))
    assert_all_arrived(service)
    sent = service.requests_to(EVENTS)[0].body["events"][0]
    sent.pop("sequence")
    fresh = [{**sent, "id": f"00000000-0000-4000-8000-{number:012d}"} for number in range(60)]
    room = inspector_page(consented)
    room.evaluate(
        """(events) => Promise.all(events.map(async (event, number) => {
            await chrome.storage.local.set({[`told.${number % 3}.${number}`]: event});
            await chrome.runtime.sendMessage({type: "eventsStored"});
        }))""",
        [sent, *fresh],
    )
    assert eventually(lambda: len(service.events) == 65)
    assert sorted(event["sequence"] for event in service.events.values()) == list(range(1, 66))
    assert stored(consented, "outbox")["sequence"] == 65
