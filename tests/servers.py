"""Small things that tests need around a server: a free port, is it there, wait for it."""

import random
import socket
import time
from collections.abc import Callable
from contextlib import suppress

import httpx

PORTS = range(10_000, 30_000)
"""Where servers listen: below what systems give to connections, which would take a free one."""

_RANDOM = random.SystemRandom()  # the other one begins anew with each test


def free_port() -> int:
    """Return a port on loopback that nobody listens on."""
    while True:
        port = _RANDOM.choice(PORTS)
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


def answers(url: str) -> bool:
    """Tell whether an HTTP server answers at all."""
    try:
        httpx.get(url, timeout=1)
    except httpx.HTTPError:
        return False
    return True


def wait_until(condition: Callable[[], bool], *, seconds: float = 120) -> None:
    """Return once ``condition`` holds; fail after ``seconds``, which a busy machine may need."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} seconds in vain"
        time.sleep(0.05)
