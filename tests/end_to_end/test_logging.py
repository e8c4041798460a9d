"""What a running service logs where nobody sits at a terminal: JSON on its standard error, line by line."""

import json
import socket
import urllib.request
from pathlib import Path

from tests.backend.service import a_draft
from tests.end_to_end.process import post, serving


def test_all_that_a_service_logs_is_json(short_folder: Path) -> None:
    log = short_folder / "log"
    with (
        log.open("w") as stderr,
        serving(short_folder / "data", stderr=stderr, TAGALONG_MODEL_TIER="light") as (
            process,
            address,
            _,
        ),
    ):
        post(f"{address}/api/v1/suggestions", a_draft(extension_version="0.9.1"))
        asked = urllib.request.Request(f"{address}/health/live", headers={"X-Request-Id": "probe-1"})
        with urllib.request.urlopen(asked, timeout=60) as response:
            assert response.headers["X-Request-Id"] == "probe-1"
        # What is no HTTP at all never reaches the application; uvicorn tells it.
        host, _, port = address.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(b"\x00\x01 nonsense\r\n\r\n")
            connection.recv(1000)
        process.terminate()
        process.wait(30)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    requests = [line for line in lines if line["event"] == "request"]
    assert [(line["route"], line.get("extension_version")) for line in requests] == [
        ("/api/v1/suggestions", "0.9.1"),
        ("/health/live", None),
    ]
    assert requests[1]["request_id"] == "probe-1"
    assert "uvicorn.error" in {line.get("logger") for line in lines}
    assert {"event", "level", "at"} <= set.intersection(*(set(line) for line in lines))
