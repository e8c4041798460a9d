"""A real Firefox with the extension in it, driven by WebDriver BiDi over one WebSocket."""

import itertools
import json
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.extension import stack_overflow
from tests.extension.browser import EXTENSION

# How long a command may take: Firefox starts slowly on a busy machine. Seconds.
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
    """The browser's path; fails with the line that installs it."""
    for name in ("firefox-esr", "firefox"):
        if path := shutil.which(name):
            return path
    pytest.fail("no Firefox here; install it with: sudo apt-get install --yes firefox-esr", pytrace=False)


class Firefox:
    """Commands and events of one BiDi session; the ask page is served at its real address."""

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

    def do(self, method: str, **params: Any) -> dict[str, Any]:
        """One command; raises on an error."""
        message = self._send(method, params).get(timeout=PATIENCE_S)
        if message["type"] == "error":
            raise RuntimeError(f"{method}: {message['error']}: {message['message']}")
        return message["result"]

    def start(self, extension: Path, language: str) -> None:
        """Begins the session, serves the ask page, installs the extension: a folder or a package."""
        self.do("session.new", capabilities={})
        # A browser in that language, without its dictionary: what asks for the browser's language is told so.
        self.do(
            "script.evaluate",
            expression=f"Services.locale.availableLocales = Services.locale.requestedLocales = ['{language}']",
            target={"context": self.do("browsingContext.getTree", **{"moz:scope": "chrome"})["contexts"][0]["context"]},
            awaitPromise=False,
        )
        self.do("session.subscribe", events=["network.beforeRequestSent"])
        pattern = {"type": "pattern", "hostname": "stackoverflow.com"}
        self.do("network.addIntercept", phases=["beforeRequestSent"], urlPatterns=[pattern])
        kind = "path" if extension.is_dir() else "archivePath"
        self.do("webExtension.install", extensionData={"type": kind, "path": str(extension)})

    def tab(self, part_of_address: str, seconds: float = PATIENCE_S) -> str:
        """The tab whose address holds the text, once there is one."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for context in self.do("browsingContext.getTree")["contexts"]:
                if part_of_address in context["url"]:
                    return context["context"]
            time.sleep(0.1)
        raise TimeoutError(f"no tab on {part_of_address}")

    def open(self, url: str) -> str:
        """A new tab on the address."""
        context = self.do("browsingContext.create", type="tab")["context"]
        self.do("browsingContext.navigate", context=context, url=url, wait="complete")
        return context

    def evaluate(self, context: str, expression: str) -> Any:
        """What an expression gives in the page; via JSON."""
        result = self.do(
            "script.evaluate",
            expression=f"(async () => JSON.stringify((await ({expression})) ?? null))()",
            target={"context": context},
            awaitPromise=True,
        )
        if result["type"] == "exception":
            raise RuntimeError(result["exceptionDetails"]["text"])
        return json.loads(result["result"]["value"])

    def until(self, context: str, expression: str, seconds: float = PATIENCE_S) -> Any:
        """The expression's value once it is true."""
        end = time.monotonic() + seconds
        while not (value := self.evaluate(context, expression)) and time.monotonic() < end:
            time.sleep(0.05)
        return value

    def click(self, context: str, selector: str, times: int = 1, root: str = "document") -> None:
        """Clicks on the middle of an element, as a person does, ``times`` in a row; ``root`` may be a shadow root."""
        element = f"{root}.querySelector({json.dumps(selector)})"
        self.evaluate(context, f"{element}.scrollIntoView({{block: 'center'}})")
        x, y, width, height = self.evaluate(context, f"Object.values({element}.getBoundingClientRect().toJSON())")[:4]
        steps = [
            {"type": "pointerMove", "x": round(x + width / 2), "y": round(y + height / 2)},
            *[{"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}] * times,
        ]
        pointer = {"type": "pointer", "id": "mouse", "actions": steps}
        self.do("input.performActions", context=context, actions=[pointer])

    def type(self, context: str, selector: str, text: str) -> None:
        """Types into an element, key by key."""
        self.evaluate(context, f"document.querySelector({json.dumps(selector)}).focus()")
        keys = [{"type": kind, "value": key} for key in text for kind in ("keyDown", "keyUp")]
        self.do("input.performActions", context=context, actions=[{"type": "key", "id": "keys", "actions": keys}])


def serve(url: str) -> dict[str, Any]:
    """The answer for an address of stackoverflow.com, as the protocol wants it."""
    given = stack_overflow.answer(url) or stack_overflow.Answer("")
    header = {"name": "Content-Type", "value": {"type": "string", "value": given.content_type}}
    return {"statusCode": 200, "headers": [header], "body": {"type": "string", "value": given.text}}


@contextmanager
def launch(profile: Path, extension: Path = EXTENSION, language: str = "en-US") -> Iterator[Firefox]:
    """A headless Firefox with the extension, on the folder ``profile``."""
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in PREFERENCES.items()]
    (profile / "user.js").write_text("\n".join(lines))
    command = [
        find_firefox(), "--headless", "--no-remote", "--profile", str(profile),
        "--remote-debugging-port", "0", "--remote-allow-system-access",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        address = _address(process, lambda line: re.search(r"BiDi listening on (ws://\S+)", line))
        threading.Thread(target=process.stderr.read, daemon=True).start()
        with connect(f"{address}/session", max_size=None, proxy=None) as socket:
            firefox = Firefox(socket)
            firefox.start(extension, language)
            yield firefox
    finally:
        process.terminate()
        process.wait(20)


def _address(process: "subprocess.Popen[str]", found: Callable[[str], re.Match[str] | None]) -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if match := found(line):
            return match[1]
    pytest.fail("Firefox ended before it listened")
