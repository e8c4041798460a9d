"""The same folder in Firefox: install, consent, chips, accept, events."""

from pathlib import Path

from tests.extension import firefox
from tests.extension.browser import ASK, TITLE, eventually
from tests.extension.recording_server import RecordingServer

SHADOW = "document.querySelector('[data-tagalong]')?.shadowRoot"


def test_install_consent_chips_accept_and_post(service: RecordingServer, tmp_path: Path) -> None:
    with firefox.launch(tmp_path) as browser:
        # The welcome page opens by itself, with everything off; before a yes nothing is asked.
        welcome = browser.tab("welcome/welcome.html")
        assert browser.until(welcome, "document.querySelector('#where').textContent !== ''")
        assert not browser.evaluate(welcome, "document.querySelector('#drafts').checked")
        browser.evaluate(welcome, f"browser.storage.local.set({{settings: {{server: '{service.url}'}}}})")
        page = browser.open(ASK)
        browser.type(page, "#title", "A title long enough, before any consent")
        assert not browser.evaluate(page, f"{SHADOW} !== undefined")
        assert service.requests == []

        browser.do("browsingContext.activate", context=welcome)
        for selector in ("#drafts", "#counts", "button.primary"):
            browser.click(welcome, selector)
        assert browser.until(welcome, "document.querySelector('#news').className") == "good"

        page = browser.open(ASK + "?fresh")
        browser.type(page, "#title", TITLE)
        tags = f"[...({SHADOW}?.querySelectorAll('.chip') ?? [])].map((chip) => chip.dataset.tag)"
        browser.until(page, f"{tags}.length === 3")
        assert browser.evaluate(page, tags) == ["pandas", "python", "dataframe"]
        browser.evaluate(page, "scrollTo(0, 9999)")
        assert eventually(lambda: len(service.events) == 3)
        browser.evaluate(page, f"{SHADOW}.querySelector('[data-tag=pandas] .tag').click()")
        assert browser.until(page, "document.querySelector('#tagnames').value") == "pandas"
        browser.evaluate(page, "document.querySelector('#wmd-input').value = 'A body long enough for the page.'")
        assert eventually(lambda: len(service.events) == 4)
        browser.evaluate(page, "document.querySelector('#submit-button').click()")
        assert eventually(lambda: len(service.events) == 5)
        assert service.told()[3:] == [("accepted", "pandas"), ("posted", None)]
        assert sorted(event["sequence"] for event in service.events.values()) == [1, 2, 3, 4, 5]
        assert all(request.origin.startswith("moz-extension://") for request in service.sent("/api/v1/events"))
