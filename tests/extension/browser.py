"""A real Chromium with the extension, the ask page it works on, and helpers for both."""

import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, Playwright, Route, expect

from tests.extension import stack_overflow

EXTENSION = Path(__file__).resolve().parents[2] / "extension"
ASK = "https://stackoverflow.com/questions/ask"
QUESTION_ID = 79_000_001
TITLE = "Merge two pandas DataFrames on index?"
BODY = "I have two frames with the same index and want the columns of both, side by side.\n"

PATIENCE_MS = 60_000
"""How long tests wait for what they expect, on a machine that is busy with other work."""
expect.set_options(timeout=PATIENCE_MS)

T = TypeVar("T")
_contexts: list[BrowserContext] = []
_inspectors: dict[BrowserContext, Page] = {}
_ids: dict[BrowserContext, str] = {}


def find_chromium() -> str:
    """Return the browser's path, or fail with the command that installs it.

    Google's own Chrome does not work: it loads no extension from its command line.
    """
    for name in ("chromium", "chromium-browser"):
        if path := shutil.which(name):
            return path
    pytest.fail("no Chromium here; install it with: sudo apt-get install --yes chromium", pytrace=False)


def start(
    playwright: Playwright, profile: Path, extension: Path, arguments: Sequence[str], options: dict[str, Any]
) -> BrowserContext:
    """Start a Chromium with the extension."""
    return playwright.chromium.launch_persistent_context(
        profile,
        executable_path=find_chromium(),
        headless=False,
        args=[
            "--headless=new",
            "--no-sandbox",
            f"--disable-extensions-except={extension}",
            f"--load-extension={extension}",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            *arguments,
        ],
        **{"viewport": {"width": 1280, "height": 1000}, **options},
    )


def has_texts(context: BrowserContext) -> bool:
    """Return whether the extension has its texts: on a busy machine, Chromium sometimes starts one without them."""
    page = open_extension_page(context, "icons/icon.svg")
    name = page.evaluate("chrome.i18n.getMessage('name')")
    page.close()
    return bool(name)


@contextmanager
def launch(
    playwright: Playwright,
    profile: Path,
    *,
    extension: Path = EXTENSION,
    arguments: Sequence[str] = (),
    **options: Any,
) -> Iterator[BrowserContext]:
    """Run a Chromium with the extension and the folder ``profile``; the ask page is at its real address.

    ``arguments`` are added to the command line, ``options`` to those of Playwright's context.
    """
    for _ in range(5):
        context = start(playwright, profile, extension, arguments, options)
        if has_texts(context):
            break
        context.close()
    else:
        pytest.fail("Chromium shows the extension without its texts: is _locales/en/messages.json whole?")
    context.set_default_timeout(PATIENCE_MS)
    _contexts.append(context)
    context.route(re.compile("^https?://(?!127\\.0\\.0\\.1|localhost)"), serve_stack_overflow)
    try:
        yield context
    finally:
        _contexts.remove(context)
        _inspectors.pop(context, None)
        _ids.pop(context, None)
        context.close()


def serve_stack_overflow(route: Route) -> None:
    """Serve our pages as stackoverflow.com, and nothing else of the web."""
    answer = stack_overflow.get_response(route.request.url)
    if answer is None:
        route.abort()
    else:
        route.fulfill(body=answer.text, content_type=answer.content_type)


def extension_id(context: BrowserContext) -> str:
    """Return the id that Chromium gave the extension."""
    if context not in _ids:
        workers = context.service_workers or [context.wait_for_event("serviceworker")]
        _ids[context] = workers[0].url.split("/")[2]
    return _ids[context]


def open_extension_page(context: BrowserContext, path: str) -> Page:
    """Open one of the extension's own pages, such as ``popup/popup.html``."""
    page = context.new_page()
    page.goto(f"chrome-extension://{extension_id(context)}/{path}")
    return page


def inspector_page(context: BrowserContext) -> Page:
    """Return a page of the extension's origin that stays open: from it, tests read its storage and send messages."""
    if context not in _inspectors:
        _inspectors[context] = open_extension_page(context, "icons/icon.svg")
    return _inspectors[context]


def stored(context: BrowserContext, key: str, area: str = "") -> Any:
    """Return what the extension stores under a key, or None: in IndexedDB, or in an ``area`` of ``chrome.storage``."""
    read = """async ([area, key]) => {
        const storage = await import(chrome.runtime.getURL("background/storage.js"));
        return (await (area ? chrome.storage[area] : storage).get(key))[key];
    }"""
    return inspector_page(context).evaluate(read, [area, key])


def store(context: BrowserContext, **values: Any) -> None:
    """Write values to the extension's storage; pages are notified as of a changed setting."""
    write = """async (values) => {
        const storage = await import(chrome.runtime.getURL("background/storage.js"));
        const { withStorageLock } = await import(chrome.runtime.getURL("background/lock.js"));
        await withStorageLock(() => storage.set(values));
    }"""
    inspector_page(context).evaluate(write, values)
    if "settings" in values:
        apply_settings(context)


def apply_settings(context: BrowserContext) -> None:
    """Register the allowed content scripts and notify open pages, as after a change of the settings."""
    notify = """async () => {
        const scripts = await import(chrome.runtime.getURL("background/content-scripts.js"));
        await scripts.updateContentScripts();
        await scripts.broadcast("settingsChanged", {});
    }"""
    inspector_page(context).evaluate(notify)


def use_server(context: BrowserContext, url: str) -> None:
    """Set the extension's service to the one at ``url``, without any consent."""
    store(context, settings=service_settings(url))


def service_settings(url: str) -> dict[str, Any]:
    """Return the settings of a writer who wants tags from the service at ``url``, and has not consented yet."""
    return {"source": "service", "server": url}


def consented_settings(url: str, **changes: Any) -> dict[str, Any]:
    """Return the settings after ``use_server`` and ``consent``, complete, as the extension stores them."""
    defaults = {"api_key": "", "sites_off": [], "paused_until": 0, "debounce_ms": 250, "never": []}
    consents = {"server": url, "drafts": True, "counts": True, "install_id": str(uuid.uuid4())}
    return {"source": "service", **defaults, **consents, **changes}


def device_settings(**changes: Any) -> dict[str, Any]:
    """Return the settings of a new install: tags come from this device, and nothing is sent."""
    return {"source": "device", **changes}


def consent(context: BrowserContext, *, counts: bool = True) -> None:
    """Consent on the welcome page, as a person does."""
    page = open_extension_page(context, "welcome/welcome.html")
    page.get_by_role("switch").nth(0).check()
    if counts:
        page.get_by_role("switch").nth(1).check()
    page.locator("button.primary").click()
    # Good where a service answers, bad where none does; the consent is saved in both cases.
    expect(page.get_by_role("status")).to_have_class(re.compile("good|bad"))
    page.close()


def reset_extension(context: BrowserContext, settings: dict[str, Any]) -> None:
    """Reset the extension to these settings, delete the ask page's draft, and close every page."""
    inspector = inspector_page(context)
    for page in context.pages:
        if page != inspector:
            page.close()
    # A message that a closed page has just sent must not reach the next test: without consent the worker drops it,
    # and what it is at, it finishes before it answers and releases its lock.
    inspector.evaluate(
        """async (settings) => {
            const storage = await import(chrome.runtime.getURL("background/storage.js"));
            const { withStorageLock } = await import(chrome.runtime.getURL("background/lock.js"));
            await storage.set({ settings: {} });
            await chrome.runtime.sendMessage({ type: "getPageSettings", entered: false });
            await withStorageLock(async () => {
                await Promise.all([chrome.storage.local.clear(), chrome.storage.session.clear()]);
                await Promise.all([chrome.alarms.clearAll(), storage.clear()]);
                await storage.set({ settings });
            });
        }""",
        settings,
    )
    apply_settings(context)
    session = context.new_cdp_session(inspector)
    site = {"origin": "https://stackoverflow.com", "storageTypes": "local_storage"}
    session.send("Storage.clearDataForOrigin", site)
    session.detach()


def kill_worker(context: BrowserContext) -> None:
    """Stop the extension's service worker, as the browser does after a while."""
    session = context.new_cdp_session(inspector_page(context))
    session.send("ServiceWorker.enable")
    session.send("ServiceWorker.stopAllWorkers")
    session.detach()


def update_extension(context: BrowserContext) -> None:
    """Reload the extension, as an update does: open pages keep the content script of the old one."""
    inspector = _inspectors.pop(context, None) or open_extension_page(context, "icons/icon.svg")
    inspector.evaluate("setTimeout(() => chrome.runtime.reload())")
    inspector.wait_for_event("close")


def ask_page(context: BrowserContext, query: str = "") -> Page:
    """Open the ask page in a new tab."""
    page = context.new_page()
    page.goto(ASK + query)
    return page


def write(page: Page, title: str = TITLE, body: str = "", delay: float | None = None) -> None:
    """Append to the title, and to the body if given: each at once, or key by key with ``delay`` ms between two."""
    page.locator("#title").press("End")
    for field, text in (("#title", title), ("#wmd-input", body)):
        if text and delay is not None:
            page.locator(field).press_sequentially(text, delay=delay)
        elif text:
            page.locator(field).focus()
            page.keyboard.insert_text(text)


def chips(page: Page) -> Locator:
    """Return all chips, in their order on screen."""
    return page.locator("[data-tagalong] .chip")


def suggested(page: Page) -> list[str]:
    """Return the chips' tags in their order on screen, read at once: the next answer may remove one."""
    tags: list[str] = chips(page).evaluate_all("(chips) => chips.map((chip) => chip.dataset.tag)")
    return tags


def expect_chips(page: Page, count: int = 3) -> None:
    """Wait until there are exactly ``count`` chips."""
    chips(page).nth(count - 1).wait_for()
    expect(chips(page)).to_have_count(count)


def chip(page: Page, tag: str) -> Locator:
    """Return the button of one chip."""
    return page.locator(f'[data-tagalong] .chip[data-tag="{tag}"] .tag')


def side(page: Page, tag: str) -> Locator:
    """Return the second button of one chip: "not this", or undo."""
    return page.locator(f'[data-tagalong] .chip[data-tag="{tag}"] .side')


def chosen(page: Page) -> Locator:
    """Return the tags that the page itself shows as chosen."""
    return page.locator("#tag-editor .s-tag.rendered-element")


def look(page: Page, tag: str) -> Locator:
    """Return one chip as a whole; ``data-look`` is its state."""
    return page.locator(f'[data-tagalong] .chip[data-tag="{tag}"]')


def run_in_content_script(page: Page, expression: str) -> Any:
    """Evaluate in the content script's world: it shares the page's DOM, not its JavaScript."""
    session = page.context.new_cdp_session(page)
    worlds: list[int] = []

    def created(event: dict[str, Any]) -> None:
        if event["context"]["name"] == "Tagalong":
            worlds.append(event["context"]["id"])

    session.on("Runtime.executionContextCreated", created)
    session.send("Runtime.enable")
    assert eventually(lambda: worlds)
    evaluate = {"expression": expression, "contextId": worlds[-1], "awaitPromise": True}
    result = session.send("Runtime.evaluate", evaluate)["result"]
    session.detach()
    return result.get("value")


def eventually(condition: Callable[[], T], seconds: float = PATIENCE_MS / 1000) -> T:
    """Wait until ``condition`` returns something true, and return it; when time is up, its last value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > end:
            return value
        pages = [page for context in _contexts for page in context.pages]
        if pages:
            # Not a plain sleep: during one, nobody would answer the browser's requests for the ask page.
            pages[0].wait_for_timeout(20)
        else:
            time.sleep(0.02)
