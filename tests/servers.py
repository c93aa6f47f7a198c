"""Helpers for servers: find a free port, check whether a server answers, wait."""

import random
import socket
import time
from collections.abc import Callable
from contextlib import suppress

import httpx

PORTS = range(10_000, 30_000)
"""Ports for servers: below the ephemeral ports, any of which a connection may take."""

PATIENCE_SECONDS = 120
"""How long what usually takes a moment may take on a busy machine before a test fails."""

_RANDOM = random.SystemRandom()  # pytest-randomly reseeds the module for each test


def free_port() -> int:
    """Return a free port on loopback."""
    while True:
        port = _RANDOM.choice(PORTS)
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


def answers(url: str) -> bool:
    """Tell whether an HTTP server answers, with any status."""
    try:
        httpx.get(url, timeout=1)
    except httpx.HTTPError:
        return False
    return True


def wait_until(condition: Callable[[], bool], *, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until ``condition`` holds, and fail after ``seconds``.

    Pauses grow with the wait, since looking takes time from servers that are to make it true.
    """
    started = time.monotonic()
    while not condition():
        waited = time.monotonic() - started
        assert waited < seconds, f"the condition does not hold after {seconds} seconds"
        time.sleep(min(max(waited / 20, 0.01), 0.25))
