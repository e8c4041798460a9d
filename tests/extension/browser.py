"""A real Chromium with the extension in it, and the ask page it works on: what tests of the whole share."""

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
"""How long tests wait for what is meant to happen: they are green long before, also where other work has the cores."""
expect.set_options(timeout=PATIENCE_MS)

T = TypeVar("T")
_open: list[BrowserContext] = []
_rooms: dict[BrowserContext, Page] = {}
_ids: dict[BrowserContext, str] = {}


def find_chromium() -> str:
    """The browser's path; fails with the line that installs it.

    Google's own Chrome will not do: it takes no extension from its command line.
    """
    for name in ("chromium", "chromium-browser"):
        if path := shutil.which(name):
            return path
    pytest.fail("no Chromium here; install it with: sudo apt-get install --yes chromium", pytrace=False)


def start(
    playwright: Playwright, profile: Path, extension: Path, arguments: Sequence[str], options: dict[str, Any]
) -> BrowserContext:
    """A Chromium with the extension, just started."""
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
    """Whether the extension has its texts: on a busy machine, Chromium now and then starts one without them."""
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
    """A Chromium with the extension, on the folder ``profile``; the ask page is at its real address.

    ``arguments`` are more of the command line, ``options`` more of Playwright's for a context.
    """
    for _ in range(5):
        context = start(playwright, profile, extension, arguments, options)
        if has_texts(context):
            break
        context.close()
    else:
        pytest.fail("Chromium shows the extension without its texts: is _locales/en/messages.json whole?")
    context.set_default_timeout(PATIENCE_MS)
    _open.append(context)
    context.route(re.compile("^https?://(?!127\\.0\\.0\\.1|localhost)"), serve_stack_overflow)
    try:
        yield context
    finally:
        _open.remove(context)
        _rooms.pop(context, None)
        _ids.pop(context, None)
        context.close()


def serve_stack_overflow(route: Route) -> None:
    """Serves our pages as stackoverflow.com, and nothing else of the world."""
    given = stack_overflow.answer(route.request.url)
    if given is None:
        route.abort()
    else:
        route.fulfill(body=given.text, content_type=given.content_type)


def extension_id(context: BrowserContext) -> str:
    """The id that Chromium gave the extension."""
    if context not in _ids:
        workers = context.service_workers or [context.wait_for_event("serviceworker")]
        _ids[context] = workers[0].url.split("/")[2]
    return _ids[context]


def open_extension_page(context: BrowserContext, path: str) -> Page:
    """One of the extension's own pages, such as ``popup/popup.html``."""
    page = context.new_page()
    page.goto(f"chrome-extension://{extension_id(context)}/{path}")
    return page


def inspector_page(context: BrowserContext) -> Page:
    """A page of the extension for looking into its storage; open as long as the browser."""
    if context not in _rooms:
        _rooms[context] = open_extension_page(context, "icons/icon.svg")
    return _rooms[context]


def stored(context: BrowserContext, key: str, area: str = "") -> Any:
    """What the extension keeps under a key, in IndexedDB or in an ``area`` of ``chrome.storage``; None if nothing."""
    find = """async ([area, key]) => {
        const storage = await import(chrome.runtime.getURL("background/storage.js"));
        return (await (area ? chrome.storage[area] : storage).get(key))[key];
    }"""
    return inspector_page(context).evaluate(find, [area, key])


def store(context: BrowserContext, **values: Any) -> None:
    """Puts values where the extension keeps them; pages hear of them as of a changed setting."""
    put = """async (values) => {
        const storage = await import(chrome.runtime.getURL("background/storage.js"));
        const { withStorageLock } = await import(chrome.runtime.getURL("background/lock.js"));
        await withStorageLock(() => storage.set(values));
    }"""
    inspector_page(context).evaluate(put, values)
    if "settings" in values:
        settle(context)


def settle(context: BrowserContext) -> None:
    """Gives pages the scripts that are agreed to, and tells open ones, as after a change of the settings."""
    follow = """async () => {
        const scripts = await import(chrome.runtime.getURL("background/content-scripts.js"));
        await scripts.updateContentScripts();
        await scripts.broadcast("settingsChanged", {});
    }"""
    inspector_page(context).evaluate(follow)


def use_server(context: BrowserContext, url: str) -> None:
    """Makes the extension ask the service at ``url``; before any consent."""
    store(context, settings={"server": url})


def consented_settings(url: str, **changes: Any) -> dict[str, Any]:
    """The settings after ``use_server`` and ``consent``, without the clicks; whole, as the extension keeps them."""
    defaults = {"api_key": "", "sites_off": [], "paused_until": 0, "debounce_ms": 250, "never": []}
    yes = {"server": url, "drafts": True, "counts": True, "install_id": str(uuid.uuid4())}
    return {**defaults, **yes, **changes}


def consent(context: BrowserContext, *, counts: bool = True) -> None:
    """Says yes on the welcome page, as a person does."""
    page = open_extension_page(context, "welcome/welcome.html")
    page.get_by_role("switch").nth(0).check()
    if counts:
        page.get_by_role("switch").nth(1).check()
    page.locator("button.primary").click()
    # Good where a service answers, bad where none does; the yes holds in both.
    expect(page.get_by_role("status")).to_have_class(re.compile("good|bad"))
    page.close()


def reset_extension(context: BrowserContext, settings: dict[str, Any]) -> None:
    """Makes the extension as new but for its settings, forgets the ask page's draft, closes every page."""
    room = inspector_page(context)
    for page in context.pages:
        if page != room:
            page.close()
    # What a closed page has just told the worker must not fall into the next test: without consent the worker
    # drops it, and what it has at hand it finishes before it answers and gives its lock away.
    room.evaluate(
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
    settle(context)
    session = context.new_cdp_session(room)
    site = {"origin": "https://stackoverflow.com", "storageTypes": "local_storage"}
    session.send("Storage.clearDataForOrigin", site)
    session.detach()


def kill_worker(context: BrowserContext) -> None:
    """Stops the extension's service worker, as the browser does after a while."""
    session = context.new_cdp_session(inspector_page(context))
    session.send("ServiceWorker.enable")
    session.send("ServiceWorker.stopAllWorkers")
    session.detach()


def update_extension(context: BrowserContext) -> None:
    """Starts the extension anew, as an update does: pages that are open keep what is left of the old one."""
    room = _rooms.pop(context, None) or open_extension_page(context, "icons/icon.svg")
    room.evaluate("setTimeout(() => chrome.runtime.reload())")
    room.wait_for_event("close")


def ask_page(context: BrowserContext, query: str = "") -> Page:
    """A new tab on the ask page."""
    page = context.new_page()
    page.goto(ASK + query)
    return page


def write(page: Page, title: str = TITLE, body: str = "", delay: float | None = None) -> None:
    """Writes on at the title's end, and in the body if given: each at once, or key by key, ``delay`` ms between two."""
    page.locator("#title").press("End")
    for field, text in (("#title", title), ("#wmd-input", body)):
        if text and delay is not None:
            page.locator(field).press_sequentially(text, delay=delay)
        elif text:
            page.locator(field).focus()
            page.keyboard.insert_text(text)


def chips(page: Page) -> Locator:
    """All chips, in their order on screen."""
    return page.locator("[data-tagalong] .chip")


def suggested(page: Page) -> list[str]:
    """The chips' tags in their order on screen, all of one moment: the next answer may take one away."""
    tags: list[str] = chips(page).evaluate_all("(chips) => chips.map((chip) => chip.dataset.tag)")
    return tags


def expect_chips(page: Page, count: int = 3) -> None:
    """Waits until there are so many chips, and no more."""
    chips(page).nth(count - 1).wait_for()
    expect(chips(page)).to_have_count(count)


def chip(page: Page, tag: str) -> Locator:
    """The button of one chip."""
    return page.locator(f'[data-tagalong] .chip[data-tag="{tag}"] .tag')


def side(page: Page, tag: str) -> Locator:
    """The second button of one chip: "not this", or undo."""
    return page.locator(f'[data-tagalong] .chip[data-tag="{tag}"] .side')


def chosen(page: Page) -> Locator:
    """The tags that the page itself shows as chosen."""
    return page.locator("#tag-editor .s-tag.rendered-element")


def look(page: Page, tag: str) -> Locator:
    """One chip as a whole; its ``data-look`` says how it stands."""
    return page.locator(f'[data-tagalong] .chip[data-tag="{tag}"]')


def run_in_content_script(page: Page, expression: str) -> Any:
    """Evaluates where the content script lives: it shares the page's DOM, not its JavaScript."""
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
    """Waits until ``condition`` gives something true, and gives it; the last value when time is up."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > end:
            return value
        pages = [page for context in _open for page in context.pages]
        if pages:
            # Not a plain sleep: in it, nobody would answer the browser's requests for the ask page.
            pages[0].wait_for_timeout(20)
        else:
            time.sleep(0.02)
