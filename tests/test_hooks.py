"""One attempt of each kind of hook, against real receivers and real programs."""

from __future__ import annotations

import gzip
import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from monitor.acting.signing import verify
from monitor.hooks import HOOKS, Acknowledgement, Answer, acknowledgement
from monitor.hooks.exchange import retry_after
from monitor.hooks.webhook import ask
from monitor.settings import Hook

NOW = 1_750_000_000.5
BODY = json.dumps(
    {"id": "act_1", "data": {"policy": "cooling", "from_version": "v7", "to_version": "v6", "generation": 2}}
).encode()
SHOWN = {"generation": 2, "serving": "v6", "artifact_sha256": "ab"}

Handle = Callable[[BaseHTTPRequestHandler], None]


class Endpoint:
    """A real HTTP server on a free port whose answer the test writes."""

    def __init__(self) -> None:
        self.handle: Handle = answering(200)
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                outer.requests.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                outer.handle(self)

            def do_GET(self) -> None:
                self.do_POST()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def answering(status: int, content: Any = b"", **headers: str) -> Handle:
    def handle(request: BaseHTTPRequestHandler) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.send_header("content-length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    return handle


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    monkeypatch.setenv("HOOK_SECRET", "new old")
    made = Endpoint()
    yield made
    made.close()


def webhook(url: str, **changes: Any) -> Hook:
    return Hook.model_validate(
        {"kind": "webhook", "url": url, "secret": "env:HOOK_SECRET", "timeout": "120s"} | changes
    )


def post(endpoint: Endpoint, **changes: Any) -> Answer:
    return HOOKS["webhook"](webhook(endpoint.url + "/rollback", **changes), "act_1", BODY, NOW)


def test_the_bytes_are_posted_as_they_are_and_signed_by_every_secret(endpoint: Endpoint) -> None:
    assert post(endpoint).outcome == "delivered"
    ((method, path, headers, body),) = endpoint.requests
    assert (method, path, body) == ("POST", "/rollback", BODY)
    assert headers["content-type"] == "application/cloudevents+json"
    assert headers["webhook-timestamp"] == "1750000000"
    assert verify("old", headers, body, NOW) == verify("new", headers, body, NOW) == "act_1"


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        *[(status, "delivered") for status in (200, 201, 202, 204, 299)],
        *[(status, "blocked") for status in (400, 401, 403, 404, 409, 410, 422)],
        *[(status, "retry") for status in (302, 307, 408, 425, 429, 500, 502, 503, 599)],
    ],
)
def test_2xx_alone_is_delivered_and_a_refusal_is_not_sent_again(endpoint: Endpoint, status: int, outcome: str) -> None:
    endpoint.handle = answering(status, location=endpoint.url + "/elsewhere")
    answer = post(endpoint)
    assert answer.outcome == outcome
    assert f"answered {status}" in answer.detail
    assert len(endpoint.requests) == 1  # no redirect was followed


def test_the_reason_of_a_refusal_is_passed_on_without_control_characters(endpoint: Endpoint) -> None:
    endpoint.handle = answering(403, b"not\x1b[31m\nallowed\xff" + b"x" * 1000)
    answer = post(endpoint)
    assert "not [31m allowed" in answer.detail
    assert len(answer.detail) < 400


def test_the_answer_may_be_the_acknowledgement(endpoint: Endpoint) -> None:
    endpoint.handle = answering(200, SHOWN)
    assert post(endpoint).acknowledged == Acknowledgement(2, "v6", "ab")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"OK",
        b"[]",
        b"[" * 10000,
        b'{"generation": "2", "serving": "v6"}',
        b'{"generation": true, "serving": "v6"}',
        b'{"generation": 2.0, "serving": "v6"}',
        b'{"generation": 2}',
        b'{"generation": 2, "serving": 6}',
        b'{"policy": "bids", "generation": 2, "serving": "v6"}',
        b'{"generation": 2, "serving": "v6", "policies": {"bids": {}}}',
        b"\xff\xfe",
        b'{"generation": 2, "serving": "v6", "pad": "' + b" " * 70000 + b'"}',
    ],
)
def test_any_other_answer_acknowledges_nothing(endpoint: Endpoint, content: bytes) -> None:
    endpoint.handle = answering(200, content)
    assert post(endpoint) == Answer("delivered", f"{endpoint.url}/rollback answered 200.")


def test_a_receiver_of_several_policies_shows_each() -> None:
    content = json.dumps({"generation": 9, "serving": "v1", "policies": {"cooling": SHOWN}}).encode()
    assert acknowledgement(content, "cooling") == Acknowledgement(2, "v6", "ab")


def test_a_compressed_answer_is_not_unpacked(endpoint: Endpoint) -> None:
    endpoint.handle = answering(200, gzip.compress(json.dumps(SHOWN).encode()), content_encoding="gzip")
    assert post(endpoint).acknowledged is None
    assert endpoint.requests[0][2]["accept-encoding"] == "identity"


@pytest.mark.parametrize(("header", "wait"), [("7", 7.0), ("86400", 60.0), ("0", 0.0), ("-3", None), ("soon", None)])
def test_retry_after_is_honoured_up_to_a_minute(endpoint: Endpoint, header: str, wait: float | None) -> None:
    endpoint.handle = answering(503, retry_after=header)
    assert post(endpoint).retry_after == wait


@pytest.mark.parametrize("header", [None, "", "١", "99999999999999999999999", "Fri, 99 Foo 2025 00:00:00 GMT"])
def test_a_strange_retry_after_is_survived(header: str | None) -> None:
    wait = retry_after(header, NOW)
    assert wait is None or 0 <= wait <= 60


def test_a_receiver_that_is_not_there_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_SECRET", "s")
    with socket.socket() as taken:  # bound, not listening: refused
        taken.bind(("127.0.0.1", 0))
        answer = HOOKS["webhook"](webhook(f"http://127.0.0.1:{taken.getsockname()[1]}/"), "act_1", BODY, NOW)
    assert answer.outcome == "retry"
    assert "cannot be reached" in answer.detail


def test_a_receiver_that_hangs_ends_with_the_timeout(endpoint: Endpoint) -> None:
    release = threading.Event()

    def hang(request: BaseHTTPRequestHandler) -> None:
        release.wait(300)

    endpoint.handle = hang
    answer = post(endpoint, timeout="200ms")
    release.set()
    assert answer == Answer("retry", f"{endpoint.url}/rollback did not answer within 0.2 s.")


def test_a_receiver_that_drips_header_bytes_ends_with_the_timeout_too(endpoint: Endpoint) -> None:
    ended = threading.Event()

    def drip(request: BaseHTTPRequestHandler) -> None:
        try:
            while not ended.wait(0.05):
                request.wfile.write(b"H")
        except OSError:
            pass

    endpoint.handle = drip
    answer = post(endpoint, timeout="400ms")
    ended.set()
    assert answer.outcome == "retry"


def test_an_answer_whose_body_never_ends_is_still_delivered(endpoint: Endpoint) -> None:
    release = threading.Event()

    def half(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("content-length", "100")
        request.end_headers()
        request.wfile.write(b"{")
        request.wfile.flush()
        release.wait(300)

    endpoint.handle = half
    answer = post(endpoint, timeout="5s")  # the first line comes within it, the rest never
    release.set()
    assert (answer.outcome, answer.acknowledged) == ("delivered", None)


def test_a_missing_secret_is_said_and_never_sent_unsigned(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOOK_SECRET")
    answer = post(endpoint)
    assert answer.outcome == "retry"
    assert "HOOK_SECRET" in answer.detail
    assert endpoint.requests == []


def test_the_environments_proxy_is_not_used(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert post(endpoint).outcome == "delivered"


def test_the_health_page_is_asked_about_one_policy(endpoint: Endpoint) -> None:
    endpoint.handle = answering(200, SHOWN)
    hook = webhook(endpoint.url, health=endpoint.url + "/health?deep=1")
    assert ask(hook, "cooling") == Acknowledgement(2, "v6", "ab")
    assert endpoint.requests[0][:2] == ("GET", "/health?deep=1&policy=cooling")
    endpoint.handle = answering(500, SHOWN)
    assert ask(hook, "cooling") is None
