"""Tracing: a collector gets spans of request, inference and recording, and nothing of the draft."""

import http.server
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import uuid4

import pytest

from backend.web import tracing
from tests.backend.service import Service, a_draft

collected = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")

pytestmark = pytest.mark.anyio

SECRET = "Xyzzyplugh"
Make = Callable[..., AbstractAsyncContextManager[Service]]


class Collector(http.server.BaseHTTPRequestHandler):
    """Takes what OTLP over HTTP sends."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append((self.path, self.headers["Content-Type"], body))  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, str, bytes]]]:
    """What was sent to a collector that the environment names."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    server.bodies = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    yield server.bodies  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()


def spans(bodies: list[tuple[str, str, bytes]]) -> list[Any]:
    found = []
    for path, media_type, body in bodies:
        assert (path, media_type) == ("/v1/traces", "application/x-protobuf")
        message = collected.ExportTraceServiceRequest.FromString(body)
        for resource in message.resource_spans:
            attributes = {attribute.key: attribute.value.string_value for attribute in resource.resource.attributes}
            assert attributes["service.name"] == "tagalong"
            found += [span for scope in resource.scope_spans for span in scope.spans]
    return found


def attributes(span: Any) -> dict[str, Any]:
    return {
        attribute.key: getattr(attribute.value, attribute.value.WhichOneof("value")) for attribute in span.attributes
    }


async def test_a_collector_gets_request_inference_and_recording_as_one_trace(
    make_service: Make, collector: list[tuple[str, str, bytes]]
) -> None:
    outer = "4bf92f3577b34da6a3ce929d0e0e4736"
    async with make_service(model_tier="light") as service:
        response = await service.client.post(
            "/api/v1/suggestions", json=a_draft(), headers={"traceparent": f"00-{outer}-00f067aa0ba902b7-01"}
        )
        assert response.status_code == 200
    found = {span.name: span for span in spans(collector)}
    request = found["POST /api/v1/suggestions"]
    assert attributes(request) == {
        "http.request.method": "POST",
        "http.route": "/api/v1/suggestions",
        "http.response.status_code": 200,
        "tagalong.request_id": response.headers["x-request-id"],
    }
    assert attributes(found["inference"]) == {"model_version": response.json()["model_version"]}
    for name in ("inference", "recording"):
        assert found[name].parent_span_id == request.span_id
        assert request.start_time_unix_nano <= found[name].start_time_unix_nano
        assert found[name].end_time_unix_nano <= request.end_time_unix_nano
    assert {span.trace_id.hex() for span in (request, found["inference"], found["recording"])} == {outer}


async def test_a_span_has_nothing_of_the_draft_or_its_writer_even_if_it_fails(
    make_service: Make, collector: list[tuple[str, str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    install = str(uuid4())
    async with make_service(model_tier="light") as service:
        await service.suggest(title=f"{SECRET} in a title", body=SECRET, install_id=install)
        await service.client.get(f"/api/v1/installs/{install}?{SECRET}")

        def fail(self: Any, title: str, *_: Any, **__: Any) -> None:
            raise RuntimeError(title)

        monkeypatch.setattr("model.serving.classifier.Classifier.suggest", fail)
        failed = await service.client.post("/api/v1/suggestions", json=a_draft(title=SECRET))
        assert failed.status_code == 500
    found = spans(collector)
    assert [span.status.code for span in found if attributes(span).get("http.response.status_code") == 500] == [2]
    assert "GET /api/v1/installs/{install_id}" in {span.name for span in found}
    sent = b"".join(body for _, _, body in collector)
    for secret in (SECRET, install, "127.0.0.1:8600"):
        assert secret.encode() not in sent


async def test_without_the_extra_the_start_says_what_to_install(
    make_service: Make, collector: list[tuple[str, str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(tracing.TracingUnavailable, match="extra 'traces'"):
        async with make_service(model_tier="light"):
            pass


async def test_without_a_collector_there_are_no_spans(make_service: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in tracing.ENDPOINTS:
        monkeypatch.delenv(name, raising=False)
    async with make_service(model_tier="light") as service:
        classes: list[object] = [middleware.cls for middleware in service.app.user_middleware]
        assert tracing.TracingMiddleware not in classes
        with tracing.span("nothing") as span:
            assert span is None
