"""One Chromium for all tests of a module, reset for each of them."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Playwright

from tests.extension import browser
from tests.extension.recording_server import RecordingServer


@pytest.fixture(scope="module")
def chromium(playwright: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    with browser.launch(playwright, tmp_path_factory.mktemp("profile")) as context:
        yield context


@pytest.fixture
def service() -> Iterator[RecordingServer]:
    server = RecordingServer(offers=[("pandas", 0.92), ("python", 0.81), ("dataframe", 0.55), ("csv", 0.12)])
    server.start()
    yield server
    server.stop()


@pytest.fixture
def new_install(chromium: BrowserContext, service: RecordingServer) -> BrowserContext:
    """The extension with a service chosen and no consent given."""
    browser.reset_extension(chromium, browser.service_settings(service.url))
    return chromium


@pytest.fixture
def on_device(chromium: BrowserContext, service: RecordingServer) -> BrowserContext:
    """The extension as just installed, with a short delay; ``service`` is where it could send something."""
    browser.reset_extension(chromium, browser.device_settings(server=service.url, debounce_ms=100))
    return chromium


@pytest.fixture
def consented(chromium: BrowserContext, service: RecordingServer) -> BrowserContext:
    """The extension with both consents, and a short delay before it asks for tags."""
    browser.reset_extension(chromium, browser.consented_settings(service.url, debounce_ms=100))
    return chromium
