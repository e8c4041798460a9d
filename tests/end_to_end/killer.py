"""Kills the extension's worker, or the whole browser, while somebody else is using them."""

import itertools
import json
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
from websockets.sync.client import connect

from tests.extension.browser import eventually

# To be given to the browser: it writes down where it can be told to stop a worker.
ARGUMENTS = ("--remote-debugging-port=0",)


class Killer:
    """A line of its own to a running browser, so that a worker can die in the midst of what a test does."""

    def __init__(self, profile: Path) -> None:
        self._profile = profile
        port, path = (profile / "DevToolsActivePort").read_text().split()
        self._open = ExitStack()
        self._socket = self._open.enter_context(connect(f"ws://127.0.0.1:{port}{path}", max_size=None))
        self._ids = itertools.count(1)
        self._pending: threading.Thread | None = None
        self._session = self._attach()

    def _say(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        number = next(self._ids)
        where = {"sessionId": session} if session else {}
        self._socket.send(json.dumps({"id": number, "method": method, "params": params, **where}))
        while True:
            message: dict[str, Any] = json.loads(self._socket.recv(timeout=10))
            if message.get("id") == number:
                return dict(message.get("result", {}))

    def _attach(self) -> str:
        """A session with one of the extension's pages, which sees its worker."""

        def pages() -> list[dict[str, Any]]:
            targets = self._say("Target.getTargets")["targetInfos"]
            return [each for each in targets if each["type"] == "page" and "extension://" in each["url"]]

        page = eventually(pages)[0]
        session = self._say("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
        self._say("ServiceWorker.enable", session)
        return str(session)

    def kill_worker_after(self, *pauses: float) -> None:
        """Kill the worker after each of these pauses, in seconds, whatever goes on then."""
        self.rest()

        def kill() -> None:
            for pause in pauses:
                time.sleep(pause)
                self._say("ServiceWorker.stopAllWorkers", self._session)

        self._pending = threading.Thread(target=kill)
        self._pending.start()

    def rest(self) -> None:
        """Wait until nobody is to be killed any more."""
        if self._pending:
            self._pending.join()
            self._pending = None

    def kill_browser(self) -> None:
        """Kill the browser's processes, as a crash or a dead battery would."""
        self.close()
        mine = f"--user-data-dir={self._profile}"
        browsers = [
            process
            for process in psutil.process_iter(["cmdline"])
            if mine in (process.info["cmdline"] or ()) and "--type=" not in " ".join(process.info["cmdline"])
        ]
        processes = [child for process in browsers for child in process.children(recursive=True)] + browsers
        for process in processes:
            process.kill()
        psutil.wait_procs(processes, 10)

    def close(self) -> None:
        self.rest()
        self._open.close()
