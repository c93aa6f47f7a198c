"""The server as a process: it prints its address and finishes requests in flight."""

import json
import signal
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from api_process import client_of, command, fork
from api_requests import GOOD, TASKS, WORKFLOW, tasks
from servers import PATIENCE_SECONDS, wait_until
from tasks_lib.api.serving import server
from tasks_lib.operations.tasks.read import list_tasks
from tasks_lib.operations.workspace import Workspace

BODY = json.dumps(tasks(GOOD, GOOD)).encode()


def begin_post(url: str, key: str) -> socket.socket:
    """Send a request without its body, and wait until the server asks for the body."""
    address = urlsplit(url)
    connection = socket.create_connection((address.hostname, address.port))
    head = (
        f"POST {TASKS} HTTP/1.1\r\nHost: {address.netloc}\r\nX-API-Key: {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n"
        "Expect: 100-continue\r\n\r\n"
    )
    connection.sendall(head.encode())
    assert connection.recv(1_000).startswith(b"HTTP/1.1 100")
    return connection


def refuses(url: str) -> bool:
    address = urlsplit(url)
    try:
        socket.create_connection((address.hostname, address.port)).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_a_signal_ends_the_server_once_requests_in_flight_are_answered(
    embedded: Workspace, embedded_key: str, tmp_path: Path, number: signal.Signals, processes: int
) -> None:
    with command(embedded, tmp_path, processes=processes) as running:
        with begin_post(running.url, embedded_key) as connection:
            connection.sendall(BODY[:20])
            running.signal(number)
            wait_until(lambda: refuses(running.url))
            connection.sendall(BODY[20:])
            answer = b"".join(iter(lambda: connection.recv(10_000), b""))
        assert running.process.wait(PATIENCE_SECONDS) == 0
    assert answer.startswith(b"HTTP/1.1 201 Created\r\n")
    assert answer.endswith(b'{"created":2,"group_id":1,"task_ids":[1,2]}')
    (line,) = map(json.loads, running.log.read_text().splitlines())
    assert (line["method"], line["status"]) == ("POST", 201)
    assert len(list_tasks(embedded.store, "1")) == 2


def test_a_client_that_disconnects_leaves_only_a_log_line(
    embedded: Workspace, embedded_key: str, tmp_path: Path
) -> None:
    with command(embedded, tmp_path) as running:
        with begin_post(running.url, embedded_key) as connection:
            connection.sendall(BODY[:20])
        wait_until(lambda: bool(running.log.read_text()))
        with client_of(running, embedded_key) as client:
            assert client.get(WORKFLOW).json()["task_total"] == 0
        running.signal(signal.SIGTERM)
        assert running.process.wait(PATIENCE_SECONDS) == 0
    lines = [json.loads(line) for line in running.log.read_text().splitlines()]
    assert [(line["method"], line["status"]) for line in lines] == [("POST", 499), ("GET", 200)]


def test_10_mb_over_a_real_connection_are_answered_not_cut_off(
    embedded: Workspace, embedded_key: str
) -> None:
    with fork(embedded) as running, client_of(running, embedded_key) as client:
        for content in (b" " * 10_000_000, iter([b" " * 100_000] * 100)):
            response = client.post(
                TASKS, content=content, headers={"Content-Type": "application/json"}
            )
            assert response.status_code == 413


def test_answers_do_not_wait_for_acknowledgements() -> None:
    """asyncio checks type and protocol before it disables Nagle's algorithm on a socket."""
    with server._listening("127.0.0.1", 0) as listener:
        assert (listener.type, listener.proto) == (socket.SOCK_STREAM, socket.IPPROTO_TCP)
