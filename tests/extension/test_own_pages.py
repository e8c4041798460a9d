"""The extension's own pages: what they show is true, what they offer works, and everybody can use them."""

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Playwright, expect

from tests.extension.axe import find_violations
from tests.extension.browser import (
    ask_page,
    chip,
    consent,
    consented_settings,
    eventually,
    expect_chips,
    launch,
    open_extension_page,
    reset_extension,
    service_settings,
    side,
    store,
    stored,
    write,
)
from tests.extension.languages import copy_in_language
from tests.extension.own_pages import OPTIONS, POPUP, STATES, WELCOME, open_in_state, open_popup_over
from tests.extension.recording_server import Failure, RecordingServer

FRENCH_TEXTS = {
    "welcome-device": "rien de ce que vous écrivez ne quitte votre navigateur",
    "welcome-device-counted": "Enregistré. Les tags viennent de cet appareil.",
    "popup-device": "de cet appareil",
    "options-device": "Un service Tagalong fonctionne sur cet ordinateur",
    "options-both": "Les tags viennent de cet appareil",
    "welcome": "juste sous le champ des tags",
    "welcome-saved": "Enregistré. Les suggestions sont activées.",
    "popup-before-yes": "Choisir ce qui est envoyé",
    "popup": "Vous avez vu 24 tags et en avez ajouté 9.",
    "popup-here": "Suggérer des tags sur ce site",
    "popup-unknown": "Tagalong ne reconnaît pas cette page",
    "popup-paused": "Reprendre",
    "popup-away": "Pas de réponse de http://127.0.0.1:9.",
    "options-before-yes": "aucun tant que vous",
    "options": "Le service est prêt, avec le modèle light-00000000.",
    "options-sure": "Tout effacer dans ce navigateur\u202f?",
}


@pytest.fixture(scope="module")
def french(playwright: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    """A browser in French."""
    folder = tmp_path_factory.mktemp("french")
    with launch(playwright, folder / "profile", extension=copy_in_language("fr", folder)) as context:
        yield context


def find_overflowing(page: Page) -> list[str]:
    """Return the elements that do not fit into the window's width."""
    elements: list[str] = page.evaluate(
        """() => [...document.querySelectorAll("body *")]
            .filter((part) => part.getBoundingClientRect().right > innerWidth + 1)
            .map((part) => part.id || part.tagName)"""
    )
    return elements


def find_small_targets(page: Page) -> list[str]:
    """Return the targets smaller than 24 by 24 pixels, except for links within a sentence."""
    targets: list[str] = page.evaluate(
        """() => [...document.querySelectorAll("button, input, summary, a:only-child")]
            .filter((part) => part.checkVisibility())
            .filter((part) => Object.values((({width, height}) => ({width, height}))(part.getBoundingClientRect()))
                .some((size) => size < 23.99))
            .map((part) => `${part.outerHTML} ${JSON.stringify(part.getBoundingClientRect())}`)"""
    )
    return targets


def shown_request(page: Page, example: str) -> tuple[str, Any]:
    """Return first line and body of a request that the welcome page shows."""
    head, _, body = page.locator(example).inner_text().partition("\n\n")
    return head.splitlines()[0], json.loads(body)


def test_the_welcome_page_says_where_drafts_go(new_install: BrowserContext, service: RecordingServer) -> None:
    page = open_extension_page(new_install, WELCOME)
    expect(page.locator("#server")).to_have_text(service.url)
    expect(page.locator("#server-owner")).to_have_text("(your own machine)")
    store(new_install, settings={"server": "https://tags.example.org"})
    page.reload()
    expect(page.locator("#server-owner")).to_contain_text("not your own machine")


@pytest.mark.parametrize("counts", [True, False])
def test_the_example_request_matches_the_one_sent(
    new_install: BrowserContext, service: RecordingServer, counts: bool
) -> None:
    page = open_extension_page(new_install, WELCOME)
    page.locator("#drafts").check()
    page.locator("#counts").set_checked(counts)
    line, body = shown_request(page, "#drafts-example")
    consent(new_install, counts=counts)
    question = ask_page(new_install)
    write(question)
    expect_chips(question)
    sent = service.drafts[0]
    assert line == f"POST {service.url}/api/v1/suggestions"
    assert set(body) == set(sent)
    assert {name: type(value) for name, value in body.items()} == {name: type(value) for name, value in sent.items()}
    assert body["record"] is sent["record"] is counts
    assert ("extension_version" in body) is counts


def test_the_example_events_match_those_sent(consented: BrowserContext, service: RecordingServer) -> None:
    page = open_extension_page(consented, WELCOME)
    page.locator("summary").nth(1).click()
    line, body = shown_request(page, "#counts-example")
    question = ask_page(consented)
    write(question, body="A body that is long enough for the page to post it.")
    chip(question, "pandas").click()
    expect(question.locator("#tag-editor .s-tag.rendered-element")).to_have_count(1)
    question.locator("#submit-button").click()
    question.wait_for_url("**/questions/79000001/**")
    assert eventually(lambda: ("posted", None) in service.received_events())
    sent = service.requests_to("/api/v1/events")[-1]
    assert line == f"POST {service.url}/api/v1/events"
    assert set(body) == set(sent.body)
    fields = {event["kind"]: set(event) - {"install_id"} for event in service.events.values()}
    assert {event["kind"] for event in body["events"]} == {"viewed", "accepted", "posted"}
    assert all(set(event) == fields[event["kind"]] for event in body["events"])


def test_the_popup_shows_the_state_of_the_service(consented: BrowserContext, service: RecordingServer) -> None:
    page = ask_page(consented)
    write(page)
    expect_chips(page)
    service.stop()
    chip(page, "pandas").click()
    popup = open_extension_page(consented, POPUP)
    expect(popup.locator("#service")).to_have_text("not available")
    expect(popup.locator("#service-details")).to_have_text(f"No answer from {service.url}.")
    expect(popup.locator("#waiting")).not_to_have_text("0")
    service.start()
    popup.locator("#flush").click()
    expect(popup.locator("#waiting")).to_have_text("0")
    expect(popup.locator("#service")).to_have_text("ready")
    expect(popup.locator("#service-details")).to_have_text("Model light-00000000")
    service.recording = False
    popup.reload()
    expect(popup.locator("#service-details")).to_contain_text("database is not available")


def test_the_popup_names_a_missing_host_permission(consented: BrowserContext) -> None:
    store(consented, settings={**stored(consented, "settings"), "server": "https://tags.example.org"})
    popup = open_extension_page(consented, POPUP)
    expect(popup.locator("#service-details")).to_contain_text("The browser does not let Tagalong reach it.")


def test_a_site_is_switched_off_and_on_in_the_popup(consented: BrowserContext, service: RecordingServer) -> None:
    page = ask_page(consented)
    write(page)
    expect_chips(page)
    popup = open_popup_over(page)
    expect(popup.locator("#site")).to_have_text("stackoverflow.com")
    popup.get_by_role("switch").uncheck()
    expect(page.locator("[data-tagalong]")).to_have_count(0)
    assert stored(consented, "settings")["sites_off"] == ["stackoverflow.com"]
    requests = len(service.drafts)
    write(page, " And more words")
    page.wait_for_timeout(400)
    assert len(service.drafts) == requests
    popup = open_popup_over(page)
    popup.get_by_role("switch").check()
    expect_chips(page)
    assert stored(consented, "settings")["sites_off"] == []


def test_the_popup_names_an_unknown_page(consented: BrowserContext) -> None:
    popup = open_popup_over(ask_page(consented, "?page=unknown"))
    expect(popup.locator("#unknown-page")).to_have_text(
        "Tagalong does not recognize this page, so there are no suggestions on it."
    )
    # Where no question can be written, there is nothing to explain, and no site to switch off.
    popup = open_popup_over(open_extension_page(consented, OPTIONS))
    expect(popup.locator("#service")).to_have_text("ready")
    expect(popup.locator("#unknown-page")).to_be_hidden()
    expect(popup.get_by_role("switch")).to_have_count(0)


def test_a_pause_ends_when_the_writer_resumes(consented: BrowserContext, service: RecordingServer) -> None:
    page = ask_page(consented)
    write(page)
    expect_chips(page)
    popup = open_extension_page(consented, POPUP)
    popup.get_by_role("button", name="For an hour").click()
    expect(popup.get_by_role("button", name="Resume")).to_be_focused()
    expect(popup.locator("#pause")).to_contain_text("Paused until")
    expect(popup.locator("#service")).to_have_text("paused")
    expect(page.locator("[data-tagalong]")).to_have_count(0)
    remaining = stored(consented, "settings")["paused_until"] / 1000 - time.time()
    assert 3500 < remaining <= 3600
    requests = len(service.drafts)
    write(page, " And more words")
    page.wait_for_timeout(400)
    assert len(service.drafts) == requests
    popup.get_by_role("button", name="Resume").click()
    expect_chips(page)
    popup.get_by_role("button", name="Until I resume").click()
    expect(popup.locator("#pause")).to_have_text("Paused")
    expect(page.locator("[data-tagalong]")).to_have_count(0)


def test_a_pause_ends_by_itself(consented: BrowserContext) -> None:
    page = ask_page(consented)
    write(page)
    expect_chips(page)
    popup = open_extension_page(consented, POPUP)
    until = int(time.time() * 1000) + 1500
    change = "(changes) => chrome.runtime.sendMessage({type: 'changeSettings', changes})"
    popup.evaluate(change, {"paused_until": until})
    expect(page.locator("[data-tagalong]")).to_have_count(0)
    expect_chips(page)
    expect(popup.get_by_role("button", name="For an hour")).to_be_visible()


def test_the_popup_counts_as_the_service_does(consented: BrowserContext, service: RecordingServer) -> None:
    popup = open_extension_page(consented, POPUP)
    expect(popup.locator("#stats-summary")).to_have_text("You have not seen any suggested tags yet.")
    page = ask_page(consented)
    write(page, body="A body that is long enough for the page to post it.")
    expect_chips(page)
    assert eventually(lambda: len(service.events) == 3)
    chip(page, "pandas").click()
    expect(page.locator("#tag-editor .s-tag.rendered-element")).to_have_text(["pandas"])
    side(page, "python").click()
    assert eventually(lambda: len(service.events) == 5)
    expect(popup.locator("#acceptance")).to_have_text("33%")
    expect(popup.locator("#stats-summary")).to_have_text("You saw 3 tags and added 1.")
    expect(popup.locator("#stats-details")).to_have_text("Dismissed: 1.")
    page.locator("#submit-button").click()
    expect(popup.locator("#stats-details")).to_have_text("Dismissed: 1. In posted questions: 1 of 3 kept.")


def test_the_stats_follow_the_definitions(consented: BrowserContext) -> None:
    """One draft: four tags seen; pandas and merge accepted, merge removed, dataframe dismissed and restored."""
    page = open_extension_page(consented, "icons/icon.svg")
    stats = page.evaluate(
        """async () => {
            const { NO_STATS, addItemChange, addPostedDraft } = await import("/background/stats.js");
            const [viewed, items] = [{ accepted: false, ever: false, dismissed: false }, {}];
            let stats = NO_STATS;
            const changeItem = (tag, change) => {
                const after = { ...(items[tag] ?? viewed), ...change };
                stats = addItemChange(stats, items[tag], after);
                items[tag] = after;
            };
            for (const tag of ["python", "pandas", "merge", "dataframe"]) changeItem(tag, {});
            for (const tag of ["pandas", "merge"]) changeItem(tag, { accepted: true, ever: true });
            changeItem("merge", { accepted: false });
            changeItem("dataframe", { dismissed: true });
            const before = stats.dismissed;
            changeItem("dataframe", { dismissed: false });
            return [before, addPostedDraft(stats, items, ["python", "pandas", "join"])];
        }"""
    )
    assert stats == [1, {"viewed": 4, "accepted": 2, "dismissed": 0, "posted": 4, "kept": 1}]


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("my machine", "This is not a web address."),
        ("ftp://tags.example.org", "This is not a web address."),
        ("http://tags.example.org", "Only your own machine may be reached over http."),
        ("", "This is not a web address."),
    ],
)
def test_an_invalid_address_is_explained(consented: BrowserContext, typed: str, message: str) -> None:
    before = stored(consented, "settings")
    page = open_extension_page(consented, OPTIONS)
    page.locator("#server").fill(typed)
    for button in ("Save", "Test the connection"):
        page.get_by_role("button", name=button).click()
        expect(page.locator("#service-status")).to_contain_text(message)
    assert stored(consented, "settings") == before


def test_without_permission_the_server_stays_unchanged(consented: BrowserContext) -> None:
    before = stored(consented, "settings")
    page = open_extension_page(consented, OPTIONS)
    # Decline at the browser's own prompt, which a test cannot click.
    page.evaluate(
        "chrome.permissions.request = async (permissions) => { window.requested = permissions; return false; }"
    )
    page.locator("#server").fill("https://tags.example.org:8443/so")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#service-status")).to_have_text(
        "Nothing has changed: the browser did not allow Tagalong to reach this service."
    )
    assert page.evaluate("window.requested") == {"origins": ["https://tags.example.org/*"]}
    assert stored(consented, "settings") == before


def test_a_connection_can_be_tested_without_consent(new_install: BrowserContext, service: RecordingServer) -> None:
    page = open_extension_page(new_install, OPTIONS)
    test, line = page.get_by_role("button", name="Test the connection"), page.locator("#service-status")
    test.click()
    expect(line).to_have_text("The service is ready, with the model light-00000000.")
    service.api_key = "open sesame"
    test.click()
    expect(line).to_have_text("The service requires an API key, and this is not the right one.")
    page.locator("#key").fill(" open sesame ")
    test.click()
    expect(line).to_have_class("good")
    page.locator("#key").fill("sésame, сезам")  # A9: no service has such a key, and fetch refuses to send it
    test.click()
    expect(line).to_have_text("The service requires an API key, and this is not the right one.")
    page.locator("#key").fill("open sesame")
    service.recording = False
    test.click()
    expect(line).to_contain_text("its database is not available")
    page.locator("#server").fill("http://127.0.0.1:9")
    test.click()
    expect(line).to_have_text("No answer from http://127.0.0.1:9.")
    assert {request.path for request in service.requests} == {"/health/ready", "/api/v1/suggestions/batch"}
    assert all(request.body in (None, {"drafts": []}) for request in service.requests)
    assert stored(new_install, "settings") == service_settings(service.url)


def test_a_key_is_sent_to_its_own_server_only(consented: BrowserContext, service: RecordingServer) -> None:
    service.api_key = "open sesame"
    page = open_extension_page(consented, OPTIONS)
    page.locator("#key").fill("open sesame")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#service-status")).to_have_text("Saved.")
    question = ask_page(consented)
    write(question)
    expect_chips(question)
    assert service.requests_to("/api/v1/suggestions")[-1].key == "Bearer open sesame"
    page.locator("#server").fill(service.url.replace("127.0.0.1", "localhost"))
    page.locator("#server").blur()
    expect(page.locator("#key")).to_have_value("")


def test_another_server_starts_afresh(consented: BrowserContext, service: RecordingServer) -> None:
    before = stored(consented, "settings")
    store(consented, outbox={"sequence": 7, "events": []})
    page = open_extension_page(consented, OPTIONS)
    page.locator("#server").fill(service.url.replace("127.0.0.1", "localhost") + "/")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#service-status")).to_contain_text("From now on Tagalong uses this service")
    after = stored(consented, "settings")
    assert after["server"] == f"http://localhost:{service.port}"
    assert after["install_id"] not in {None, before["install_id"]}
    assert stored(consented, "outbox")["sequence"] == 0


def test_the_delay_can_be_set_by_keyboard(consented: BrowserContext) -> None:
    page = open_extension_page(consented, OPTIONS)
    slider = page.get_by_role("slider", name="Delay before tags are suggested")
    slider.press("Home")
    expect(page.locator("#debounce-value")).to_have_text("100 ms")
    slider.press("ArrowRight")
    expect(page.locator("#writing-status")).to_have_text("Saved.")
    assert eventually(lambda: stored(consented, "settings")["debounce_ms"] == 150)
    expect(slider).to_have_attribute("aria-valuetext", "150 ms")


def test_the_shortcut_is_shown_with_where_to_change_it(consented: BrowserContext) -> None:
    page = open_extension_page(consented, OPTIONS)
    expect(page.locator("#shortcut")).to_have_text("Alt+Shift+G")
    with consented.expect_page() as opened:
        page.get_by_role("button", name="Change it").click()
    assert eventually(lambda: opened.value.url) == "chrome://extensions/shortcuts"
    opened.value.close()


def test_blocked_tags_can_be_unblocked(consented: BrowserContext) -> None:
    store(consented, settings={**stored(consented, "settings"), "never": ["csv", "java", "pandas"]})
    question = ask_page(consented)
    write(question)
    expect_chips(question, 2)
    page = open_extension_page(consented, OPTIONS)
    expect(page.locator("#blocked-tags li span")).to_have_text(["csv", "java", "pandas"])
    page.get_by_role("button", name="Suggest java again").click()
    expect(page.locator("#blocked-tags li span")).to_have_text(["csv", "pandas"])
    unblock = page.get_by_role("button", name="Suggest pandas again")
    expect(unblock).to_be_focused()
    unblock.press("Enter")
    expect(page.locator("#blocked-tags-status")).to_have_text("pandas is suggested again.")
    assert stored(consented, "settings")["never"] == ["csv"]
    expect_chips(question, 3)
    page.get_by_role("button", name="Suggest csv again").click()
    expect(page.locator("#blocked-tags-title")).to_be_focused()
    expect(page.locator("#blocked-tags-info")).to_contain_text("None.")


def test_a_tag_is_unblocked_by_its_name_where_the_list_changes_first(consented: BrowserContext) -> None:
    store(consented, settings={**stored(consented, "settings"), "never": ["csv", "java", "pandas"]})
    page = open_extension_page(consented, OPTIONS)
    expect(page.locator("#blocked-tags li span")).to_have_text(["csv", "java", "pandas"])
    # The change is announced to all pages before the press has its answer.
    page.evaluate(
        """async () => {
            const { show } = await import("/options/blocked-tags.js");
            document.querySelector("#blocked-tags li:nth-child(2) button").click();
            show({ settings: { never: ["csv", "pandas"] } });
        }"""
    )
    expect(page.locator("#blocked-tags-status")).to_have_text("java is suggested again.")
    expect(page.locator("#blocked-tags li span")).to_have_text(["csv", "pandas"])
    expect(page.get_by_role("button", name="Suggest pandas again")).to_be_focused()


def test_data_at_the_service_can_be_exported(consented: BrowserContext, service: RecordingServer) -> None:
    page = open_extension_page(consented, OPTIONS)
    with page.expect_download() as download:
        page.get_by_role("button", name="Export from the service").click()
    assert download.value.suggested_filename == "tagalong-service.json"
    export = json.loads(download.value.path().read_text())
    assert export["install_id"] == stored(consented, "settings")["install_id"]
    expect(page.locator("#data-status")).to_have_text("Your data is in the file tagalong-service.json.")
    service.stop()
    page.get_by_role("button", name="Export from the service").click()
    expect(page.locator("#data-status")).to_have_text(f"No answer from {service.url}.")
    service.start()


def test_data_in_the_browser_is_exported_without_the_key(consented: BrowserContext) -> None:
    store(consented, settings={**stored(consented, "settings"), "api_key": "open sesame", "never": ["java"]})
    page = open_extension_page(consented, OPTIONS)
    with page.expect_download() as download:
        page.get_by_role("button", name="Export from this browser").click()
    text = download.value.path().read_text()
    assert json.loads(text)["settings"]["never"] == ["java"]
    assert "open sesame" not in text


def test_erasing_at_the_service_starts_a_new_install(consented: BrowserContext, service: RecordingServer) -> None:
    question = ask_page(consented)
    write(question)
    chip(question, "pandas").click()
    assert eventually(lambda: len(service.events) >= 2)
    before = stored(consented, "settings")["install_id"]
    page = open_extension_page(consented, OPTIONS)
    page.get_by_role("button", name="Erase from the service…").click()
    page.get_by_role("button", name="Erase", exact=True).click()
    expect(page.locator("#data-status")).to_have_class("good")
    assert service.erased == [before]
    after = stored(consented, "settings")["install_id"]
    assert after != before
    assert uuid.UUID(after)
    expect(page.locator("#install-id")).to_have_text(after)
    # The page that is still open asks under the new ids, and counts from one.
    old = service.drafts[0]["draft_id"]
    question.bring_to_front()
    write(question, " And more words")
    assert eventually(lambda: service.drafts[-1]["install_id"] == after)
    assert service.drafts[-1]["draft_id"] != old

    def events() -> list[dict[str, Any]]:
        return [event for event in service.events.values() if event["install_id"] == after]

    assert eventually(events)
    assert min(event["sequence"] for event in events()) == 1
    assert old not in {event["draft_id"] for event in events()}


def test_erasing_in_the_browser_resets_the_extension(consented: BrowserContext, service: RecordingServer) -> None:
    store(consented, settings={**stored(consented, "settings"), "api_key": "x", "never": ["java"], "sites_off": ["y"]})
    question = ask_page(consented)
    write(question)
    # Views are sent a moment after the chips appear; from then on, the page has nothing more to send.
    assert eventually(lambda: len(service.events) == 3)
    drafts, requests = stored(consented, "drafts"), len(service.requests)
    page = open_extension_page(consented, OPTIONS)
    page.get_by_role("button", name="Erase from this browser…").click()
    page.get_by_role("button", name="Erase", exact=True).click()
    expect(page.locator("#data-status")).to_have_text("Erased. Nothing is sent from now on.")
    expect(page.locator("#source-device")).to_be_checked()
    expect(page.locator("#counts")).not_to_be_checked()
    expect(page.locator("#install-id")).to_have_text("none until you say yes")
    # As newly installed: tags come from this device, in a draft that begins anew.
    expect(question.locator("[data-tagalong] .origin")).to_have_text("on this device")
    remaining = page.evaluate("import('/background/storage.js').then((storage) => storage.get())")
    assert remaining.get("outbox", {}).get("events", []) == []
    assert remaining["settings"]["source"] == "device"
    assert not any(remaining["settings"].get(name) for name in ("install_id", "api_key", "drafts", "counts", "never"))
    assert remaining["drafts"].keys().isdisjoint(drafts)
    assert page.evaluate("chrome.storage.local.get(null)")["agreed"] is True
    assert len(service.requests) == requests
    assert service.erased == []


def test_nothing_is_erased_without_confirmation(consented: BrowserContext, service: RecordingServer) -> None:
    before = stored(consented, "settings")
    page = open_extension_page(consented, OPTIONS)
    for name in ("Erase from this browser…", "Erase from the service…"):
        button = page.get_by_role("button", name=name)
        button.click()
        expect(page.get_by_role("dialog")).to_be_visible()
        expect(page.get_by_role("button", name="Keep it")).to_be_focused()
        page.keyboard.press("Escape")
        expect(button).to_be_focused()
        button.click()
        page.get_by_role("button", name="Keep it").click()
    assert stored(consented, "settings") == before
    assert service.erased == []


def test_if_the_service_cannot_erase_nothing_is_erased(consented: BrowserContext, service: RecordingServer) -> None:
    before = stored(consented, "settings")["install_id"]
    service.fail(f"/api/v1/installs/{before}", Failure(503))
    page = open_extension_page(consented, OPTIONS)
    page.get_by_role("button", name="Erase from the service…").click()
    page.get_by_role("button", name="Erase", exact=True).click()
    expect(page.locator("#data-status")).to_have_text(
        "Nothing was erased. The service is too busy right now (status 503)."
    )
    assert stored(consented, "settings")["install_id"] == before


def test_consent_works_by_keyboard(new_install: BrowserContext) -> None:
    page = open_extension_page(new_install, WELCOME)
    expect(page.locator("#server")).not_to_be_empty()
    # The choice of the source comes first: one stop, with arrow keys between the three.
    for key in ("Tab", "Tab", "Space", "Tab", "Tab", "Space"):
        page.keyboard.press(key)
    expect(page.locator("#drafts")).to_be_checked()
    expect(page.locator("#counts")).to_be_checked()
    for key in ("Tab", "Tab", "Enter"):
        page.keyboard.press(key)
    expect(page.locator("#status")).to_have_text("Saved. Suggestions are on.")
    assert stored(new_install, "settings")["counts"] is True


@pytest.mark.parametrize("state", STATES)
def test_pages_are_accessible(consented: BrowserContext, service: RecordingServer, state: str) -> None:
    page = open_in_state(consented, service.url, state)
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    assert find_violations(page) == []
    page.emulate_media(color_scheme="dark")
    assert find_violations(page) == []


@pytest.mark.parametrize("state", STATES)
def test_nothing_is_cut_off_on_a_narrow_screen(consented: BrowserContext, service: RecordingServer, state: str) -> None:
    """B21. 320 px: a phone, or 1280 px at 400 %."""
    page = open_in_state(consented, service.url, state)
    page.set_viewport_size({"width": 320, "height": 700})
    assert find_overflowing(page) == []
    assert find_small_targets(page) == []


def test_pages_are_in_french(french: BrowserContext, service: RecordingServer) -> None:
    for state in STATES:
        page = open_in_state(french, service.url, state)
        assert page.evaluate("[document.documentElement.lang, document.documentElement.dir]") == ["fr", "ltr"]
        expect(page.locator("body")).to_contain_text(FRENCH_TEXTS[state])
        assert page.evaluate("[...document.querySelectorAll('[data-i18n]')].every((part) => part.textContent)")
        page.set_viewport_size({"width": 320, "height": 700})
        assert find_overflowing(page) == []
        page.close()


@pytest.mark.parametrize(
    ("width", "height", "by"), [(1100, 900, "click"), (1100, 900, "Enter"), (800, 500, "Enter"), (320, 568, "click")]
)
def test_b22_the_result_of_saving_is_in_sight(new_install: BrowserContext, width: int, height: int, by: str) -> None:
    page = open_extension_page(new_install, WELCOME)
    page.set_viewport_size({"width": width, "height": height})
    page.locator("#drafts").check()
    if by == "click":
        page.locator("button.primary").click()
    else:
        # In the switch, far above the button.
        page.locator("#drafts").press("Enter")
    expect(page.locator("#status")).to_have_class("good")
    expect(page.locator("#status")).to_be_focused()
    expect(page.locator("#status")).to_be_in_viewport(ratio=1)
    expect(page.locator("#ask-link a")).to_be_in_viewport(ratio=1)
    page.keyboard.press("Tab")
    expect(page.locator("#ask-link a")).to_be_focused()


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "pas accepté la requête (statut 400)."),
        (403, "accepte pas ce navigateur (statut 403)."),
        (404, "pas de service Tagalong à cette adresse (statut 404)."),
        (429, "Le service est trop sollicité"),
        (500, "est produite côté service (statut 500)."),
        (503, "Le service est trop sollicité"),
    ],
)
def test_b20_errors_of_the_service_are_in_the_browsers_language(
    french: BrowserContext, service: RecordingServer, status: int, message: str
) -> None:
    """The service explains itself in English: “fails 503”."""
    reset_extension(french, consented_settings(service.url, debounce_ms=100))
    service.fail("/health/ready", *[Failure(status)] * 2)
    page = open_extension_page(french, OPTIONS)
    page.locator("#test").click()
    expect(page.locator("#service-status")).to_contain_text(message)
    service.fail("/api/v1/suggestions", *[Failure(status)] * 9)
    question = ask_page(french)
    write(question)
    note = question.locator("[data-tagalong] .note span")
    expect(note).to_contain_text("Les suggestions de tags sont indisponibles.")
    expect(note).to_contain_text(message)
    expect(note).not_to_contain_text("fails")


def test_b13_consent_without_a_service_explains_how_to_start_one(
    new_install: BrowserContext, service: RecordingServer
) -> None:
    service.stop()
    page = open_extension_page(new_install, WELCOME)
    page.locator("#drafts").check()
    page.locator("button.primary").click()
    status, instructions = page.locator("#status"), page.locator("#service-help")
    expect(status).to_have_text(f"Saved, but there are no suggestions yet: No answer from {service.url}.")
    expect(instructions).to_contain_text("make run")
    expect(instructions.get_by_role("link", name="Settings")).to_have_attribute("href", "../options/options.html")
    assert stored(new_install, "settings")["drafts"] is True
    options = open_extension_page(new_install, OPTIONS)
    options.locator("#counts").check()
    expect(options.locator("#consents-status")).to_contain_text("no suggestions yet")
    # Once started, it is found when the writer comes back.
    service.start()
    page.evaluate("dispatchEvent(new Event('focus'))")
    expect(status).to_have_text("Saved. Suggestions are on.")
    expect(instructions).to_be_hidden()


def test_b13_a_service_elsewhere_is_left_to_whoever_runs_it(new_install: BrowserContext) -> None:
    store(new_install, settings={"server": "https://tags.example.org"})
    page = open_extension_page(new_install, WELCOME)
    page.locator("#drafts").check()
    page.locator("button.primary").click()
    expect(page.locator("#service-help")).to_contain_text("whoever runs the service")
    expect(page.locator("#service-help")).not_to_contain_text("make run")
