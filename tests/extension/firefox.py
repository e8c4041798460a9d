"""A real Firefox with the extension, driven by WebDriver BiDi over one WebSocket."""

import itertools
import json
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.extension import stack_overflow
from tests.extension.browser import EXTENSION

# How long a command may take, in seconds: Firefox starts slowly on a busy machine.
PATIENCE_S = 60.0
PREFERENCES = {
    # The optional kinds of data are asked for in a dialog that a test cannot click.
    "extensions.webextOptionalPermissionPrompts": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.page": 0,
    "datareporting.policy.dataSubmissionEnabled": False,
    "app.update.auto": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
}


def find_firefox() -> str:
    """Return the browser's path, or fail with the command that installs it."""
    for name in ("firefox-esr", "firefox"):
        if path := shutil.which(name):
            return path
    pytest.fail("no Firefox here; install it with: sudo apt-get install --yes firefox-esr", pytrace=False)


class Firefox:
    """The commands and events of one BiDi session; the ask page is served at its real address."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self._answers: dict[int, Queue[dict[str, Any]]] = {}
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with suppress(ConnectionClosed):
            for text in self._socket:
                message = json.loads(text)
                if message.get("id") in self._answers:
                    self._answers.pop(message["id"]).put(message)
                elif message.get("method") == "network.beforeRequestSent" and message["params"]["isBlocked"]:
                    request = message["params"]["request"]
                    answer = {"request": request["request"], **serve(request["url"])}
                    self._send("network.provideResponse", answer)

    def _send(self, method: str, params: dict[str, Any]) -> Queue[dict[str, Any]]:
        number = next(self._ids)
        answer = self._answers[number] = Queue()
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        return answer

    def run(self, method: str, **params: Any) -> dict[str, Any]:
        """Run a command and return its result; raise RuntimeError if the browser reports an error."""
        message = self._send(method, params).get(timeout=PATIENCE_S)
        if message["type"] == "error":
            raise RuntimeError(f"{method}: {message['error']}: {message['message']}")
        result: dict[str, Any] = message["result"]
        return result

    def start(self, extension: Path, language: str) -> None:
        """Begin the session, serve the ask page, and install the extension, a folder or a package."""
        self.run("session.new", capabilities={})
        chrome = self.run("browsingContext.getTree", **{"moz:scope": "chrome"})
        # The browser only claims to be in that language, without a language pack: that is what the extension asks for.
        self.run(
            "script.evaluate",
            expression=f"Services.locale.availableLocales = Services.locale.requestedLocales = ['{language}']",
            target={"context": chrome["contexts"][0]["context"]},
            awaitPromise=False,
        )
        self.run("session.subscribe", events=["network.beforeRequestSent"])
        pattern = {"type": "pattern", "hostname": "stackoverflow.com"}
        self.run("network.addIntercept", phases=["beforeRequestSent"], urlPatterns=[pattern])
        kind = "path" if extension.is_dir() else "archivePath"
        self.run("webExtension.install", extensionData={"type": kind, "path": str(extension)})

    def wait_for_tab(self, part_of_address: str, seconds: float = PATIENCE_S) -> str:
        """Wait for a tab whose address contains the text, and return its context."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for context in self.run("browsingContext.getTree")["contexts"]:
                if part_of_address in context["url"]:
                    tab: str = context["context"]
                    return tab
            time.sleep(0.1)
        raise TimeoutError(f"no tab on {part_of_address}")

    def open(self, url: str) -> str:
        """Open an address in a new tab, and return its context."""
        context: str = self.run("browsingContext.create", type="tab")["context"]
        self.run("browsingContext.navigate", context=context, url=url, wait="complete")
        return context

    def evaluate(self, context: str, expression: str) -> Any:
        """Return the value of an expression in the page, by way of JSON."""
        result = self.run(
            "script.evaluate",
            expression=f"(async () => JSON.stringify((await ({expression})) ?? null))()",
            target={"context": context},
            awaitPromise=True,
        )
        if result["type"] == "exception":
            raise RuntimeError(result["exceptionDetails"]["text"])
        return json.loads(result["result"]["value"])

    def wait_for(self, context: str, expression: str, seconds: float = PATIENCE_S) -> Any:
        """Wait until the expression is true, and return its value; when time is up, its last value."""
        end = time.monotonic() + seconds
        while not (value := self.evaluate(context, expression)) and time.monotonic() < end:
            time.sleep(0.05)
        return value

    def click(self, context: str, selector: str, times: int = 1, root: str = "document") -> None:
        """Click the middle of an element, as a person does, ``times`` in a row; ``root`` may be a shadow root."""
        element = f"{root}.querySelector({json.dumps(selector)})"
        self.evaluate(context, f"{element}.scrollIntoView({{block: 'center'}})")
        x, y, width, height = self.evaluate(context, f"Object.values({element}.getBoundingClientRect().toJSON())")[:4]
        steps = [
            {"type": "pointerMove", "x": round(x + width / 2), "y": round(y + height / 2)},
            *[{"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}] * times,
        ]
        pointer = {"type": "pointer", "id": "mouse", "actions": steps}
        self.run("input.performActions", context=context, actions=[pointer])

    def type(self, context: str, selector: str, text: str) -> None:
        """Type into an element, key by key."""
        self.evaluate(context, f"document.querySelector({json.dumps(selector)}).focus()")
        keys = [{"type": kind, "value": key} for key in text for kind in ("keyDown", "keyUp")]
        self.run("input.performActions", context=context, actions=[{"type": "key", "id": "keys", "actions": keys}])


def serve(url: str) -> dict[str, Any]:
    """Return the response for an address of stackoverflow.com, as the protocol wants it."""
    answer = stack_overflow.get_response(url) or stack_overflow.Response("")
    header = {"name": "Content-Type", "value": {"type": "string", "value": answer.content_type}}
    return {"statusCode": 200, "headers": [header], "body": {"type": "string", "value": answer.text}}


@contextmanager
def launch(profile: Path, extension: Path = EXTENSION, language: str = "en-US") -> Iterator[Firefox]:
    """Run a headless Firefox with the extension and the folder ``profile``."""
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in PREFERENCES.items()]
    (profile / "user.js").write_text("\n".join(lines))
    command = [
        find_firefox(), "--headless", "--no-remote", "--profile", str(profile),
        "--remote-debugging-port", "0", "--remote-allow-system-access",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        address = _read_address(process)
        assert process.stderr
        threading.Thread(target=process.stderr.read, daemon=True).start()
        with connect(f"{address}/session", max_size=None, proxy=None) as socket:
            firefox = Firefox(socket)
            firefox.start(extension, language)
            yield firefox
    finally:
        process.terminate()
        process.wait(20)


def _read_address(process: "subprocess.Popen[str]") -> str:
    """Return the WebSocket address that Firefox prints once it listens."""
    assert process.stderr is not None
    for line in process.stderr:
        if match := re.search(r"BiDi listening on (ws://\S+)", line):
            return match[1]
    pytest.fail("Firefox ended before it listened")
