"""A connection costs a bounded amount of memory and time before its request is accepted."""

import json
import socket
from collections.abc import Callable, Coroutine, Iterator
from operator import itemgetter
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.testclient import TestClient
from uvicorn import Config
from uvicorn.server import ServerState

from api_process import fork
from api_requests import BASE, TASKS, WORKFLOW
from servers import PATIENCE_SECONDS
from tasks_lib.api.serving.connections import (
    BODY_SECONDS,
    HEAD_SECONDS,
    STALL_SECONDS,
    BoundedProtocol,
)
from tasks_lib.domain.limits import ApiLimits
from tasks_lib.operations.workspace import Workspace


@pytest.fixture
def connect(embedded: Workspace) -> Iterator[Callable[[], socket.socket]]:
    """A function that opens a connection to a server."""
    with fork(embedded) as server:
        address = urlsplit(server.url)

        def connect() -> socket.socket:
            connection = socket.create_connection((address.hostname, address.port))
            connection.settimeout(PATIENCE_SECONDS)
            return connection

        yield connect


def answer_of(connection: socket.socket) -> tuple[int, str, str]:
    """Read until the server closes the connection; return the status, the code and the id."""
    answer = b""
    while part := connection.recv(65_536):
        answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:])
    assert headers["content-type"] == "application/json"
    assert int(headers["content-length"]) == len(body)
    return int(lines[0].split()[1]), json.loads(body)["code"], headers["x-request-id"]


def send(connection: socket.socket, *parts: bytes) -> None:
    """Send parts until the server has closed the connection."""
    try:
        for part in parts:
            connection.sendall(part)
    except OSError:
        return


GET = f"GET {WORKFLOW} HTTP/1.1\r\nHost: x\r\n".encode()


@pytest.mark.parametrize(
    "parts",
    [
        [GET, b"A: ", b"a" * 100_000],
        [GET, b"A: " + b"a" * 70_000 + b"\r\n\r\n"],
        [b"GET /" + b"a" * 100_000],
        [GET, b"a: b\r\n" * 300, b"\r\n"],
        [GET, *[b"a" * 1_000] * 100],
    ],
    ids=["a long value", "a long header", "a long path", "many headers", "a long name in parts"],
)
def test_a_head_that_is_too_large_is_refused_before_it_is_read(
    connect: Callable[[], socket.socket], parts: list[bytes]
) -> None:
    with connect() as connection:
        send(connection, *parts)
        status, code, request_id = answer_of(connection)
    assert (status, code) == (431, "head_too_large")
    assert len(request_id) == 32


@pytest.mark.parametrize(
    "sent",
    [b"nonsense\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", GET + b"Content-Length: x\r\n\r\n"],
    ids=["no request", "another version", "a wrong length"],
)
def test_what_is_no_request_is_refused_in_the_form_of_all_errors(
    connect: Callable[[], socket.socket], sent: bytes
) -> None:
    with connect() as connection:
        send(connection, sent)
        assert answer_of(connection)[:2] == (400, "malformed_request")


@pytest.mark.parametrize("length", ["Content-Length: 8000000", "Transfer-Encoding: chunked"])
def test_the_body_of_a_request_with_a_wrong_key_is_not_waited_for(
    connect: Callable[[], socket.socket], length: str
) -> None:
    head = (
        f"POST {TASKS} HTTP/1.1\r\nHost: x\r\nX-API-Key: nonsense\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\n{length}\r\n\r\n"
    )
    with connect() as connection:
        send(connection, head.encode())
        assert answer_of(connection)[:2] == (401, "invalid_api_key")


def test_several_requests_over_one_connection_are_answered(embedded: Workspace) -> None:
    with (
        fork(embedded) as server,
        httpx.Client(base_url=server.url, timeout=PATIENCE_SECONDS) as client,
    ):
        answers = [client.get(f"{BASE}/health", headers={"a": "b" * 60_000}) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200] * 3


def test_more_connections_than_allowed_are_refused(embedded: Workspace) -> None:
    with fork(embedded, ApiLimits(max_connections=2)) as server:
        address = urlsplit(server.url)
        place = (address.hostname, address.port)
        held = [socket.create_connection(place) for _ in range(2)]
        for connection in held:
            connection.sendall(f"GET {BASE}/health HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert connection.recv(12) == b"HTTP/1.1 200"
        with socket.create_connection(place) as connection:
            assert answer_of(connection)[:2] == (503, "too_many_connections")
        for connection in held:
            connection.close()


class Task:
    """A request that the application is working on."""

    def add_done_callback(self, act: Callable[..., None]) -> None:
        """It is never done."""


class Loop:
    """A loop whose time the test sets."""

    def __init__(self) -> None:
        self.now = 100.0
        self._due: list[tuple[float, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, act: Callable[[], None]) -> Any:
        self._due.append((self.now + delay, act))
        return SimpleNamespace(cancel=lambda: None)

    def create_task(self, work: Coroutine[Any, Any, None]) -> Any:
        work.close()  # the application never answers
        return Task()

    def wait(self, seconds: float) -> None:
        """Let time pass, and call what is due meanwhile."""
        until = self.now + seconds
        while due := sorted((entry for entry in self._due if entry[0] <= until), key=itemgetter(0)):
            self._due.remove(due[0])
            self.now = due[0][0]
            due[0][1]()
        self.now = until


class Transport:
    """A connection that records what is sent over it."""

    def __init__(self) -> None:
        self.sent = b""
        self.is_open = True
        self.is_reading = True

    def get_extra_info(self, _: str) -> None:
        return None

    def can_write_eof(self) -> bool:
        return False

    def write(self, data: bytes) -> None:
        self.sent += data

    def is_closing(self) -> bool:
        return not self.is_open

    def close(self) -> None:
        self.is_open = False

    abort = close

    def pause_reading(self) -> None:
        self.is_reading = False

    def resume_reading(self) -> None:
        self.is_reading = True


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def transport() -> Transport:
    return Transport()


@pytest.fixture
def protocol(loop: Loop, transport: Transport) -> BoundedProtocol:
    """A connection that has just been made."""

    async def app(scope: object, receive: object, send: object) -> None:
        """Never called."""

    config = Config(app, http=BoundedProtocol, log_config=None)
    protocol = BoundedProtocol(config=config, server_state=ServerState(), app_state={}, _loop=loop)
    protocol.connection_made(cast("Any", transport))
    return protocol


POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
PUT = POST.replace(b"POST", b"PUT")
TIMEOUT = b"HTTP/1.1 408 Request Timeout\r\n"


@pytest.mark.parametrize("sent", [b"", GET, POST[:20]], ids=["nothing", "half a head", "less"])
def test_a_head_that_does_not_arrive_ends_the_connection(
    protocol: BoundedProtocol, loop: Loop, transport: Transport, sent: bytes
) -> None:
    if sent:
        protocol.data_received(sent)
    loop.wait(HEAD_SECONDS - 1)
    assert not transport.is_closing()
    loop.wait(10)
    assert transport.is_closing()
    assert transport.sent.startswith(TIMEOUT)


def test_a_body_that_stalls_ends_the_connection(
    protocol: BoundedProtocol, loop: Loop, transport: Transport
) -> None:
    protocol.data_received(PUT)
    for _ in range(10):
        loop.wait(STALL_SECONDS - 10)
        protocol.data_received(b"x")
    assert not transport.is_closing(), "a file may take long"
    loop.wait(STALL_SECONDS + 10)
    assert transport.sent.startswith(TIMEOUT)


def test_a_body_that_trickles_ends_the_connection(
    protocol: BoundedProtocol, loop: Loop, transport: Transport
) -> None:
    protocol.data_received(POST)
    for _ in range(10):
        loop.wait(BODY_SECONDS / 10 + 1)
        if transport.is_open:
            protocol.data_received(b"x")
    assert transport.sent.startswith(TIMEOUT)


def test_an_application_that_takes_long_is_waited_for(
    protocol: BoundedProtocol, loop: Loop, transport: Transport
) -> None:
    protocol.data_received(POST + b"x" * 1_000)
    loop.wait(BODY_SECONDS * 3)
    assert (transport.is_closing(), transport.sent) == (False, b"")


def test_a_client_that_does_not_read_ends_the_connection(
    protocol: BoundedProtocol, loop: Loop, transport: Transport
) -> None:
    protocol.data_received(POST + b"x" * 1_000)
    protocol.pause_writing()
    loop.wait(STALL_SECONDS - 10)
    protocol.resume_writing()
    loop.wait(STALL_SECONDS * 2)
    assert not transport.is_closing()
    protocol.pause_writing()
    loop.wait(STALL_SECONDS + 10)
    assert transport.is_closing()


def test_head_is_answered_like_get_without_a_body(shared_client: TestClient) -> None:
    for path in (f"{BASE}/health", WORKFLOW, TASKS, f"{WORKFLOW}/template.csv"):
        got, head = shared_client.get(path), shared_client.head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-type"] == got.headers["content-type"]
    assert shared_client.head(f"{TASKS}/9").status_code == 404
    refused = shared_client.put(WORKFLOW, content=b"")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    ("query", "field", "message"),
    [
        ("group=1", "group", "the call has no such parameter; did you mean 'group_id'?"),
        ("state=finished", "state", "the call has no such parameter; did you mean 'status'?"),
        ("page=1&page=2", "page", "is given more than once"),
        ("limit=5", "limit", "goes with after and finished_after only; use page_size"),
        ("after=&page=2", "page", "does not go with after; use limit"),
        ("finished_after=&status=finished", "status", "does not go with finished_after"),
    ],
)
def test_a_parameter_that_would_be_ignored_is_refused(
    shared_client: TestClient, query: str, field: str, message: str
) -> None:
    response = shared_client.get(f"{TASKS}?{query}")
    assert response.status_code == 422
    entry = {"index": None, "field": field, "code": "invalid_request", "message": message}
    assert response.json()["errors"] == [entry]
    assert shared_client.get(f"{WORKFLOW}?{query}").status_code == 422
    assert shared_client.post(f"{TASKS}/claim?{query}").status_code == 422
