"""Bound what a connection may cost before its request reaches the application.

The parser of HTTP sets no limits: it collects a header of any size in memory, and a request that
never ends keeps its connection open. This protocol limits the size of the head of a request, how
long a request may take to arrive, how long a client may take to read, and how many connections a
process holds. It refuses in the form of all errors.
"""

import asyncio
import logging
from typing import Any, Final, cast
from uuid import uuid4

from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tasks_lib.api.errors import error_answer
from tasks_lib.api.serving.guards import REQUEST_ID, access_line, access_log

MAX_HEAD_BYTES: Final = 64 * 2**10
MAX_HEADERS: Final = 200
HEAD_SECONDS: Final = 20.0
"""How long the head of a request may take to arrive, from its first byte."""

STALL_SECONDS: Final = 60.0
"""How long a client may send no byte of a body, or read none of an answer."""

BODY_SECONDS: Final = 300.0
"""How long a body may take to arrive; a file that is uploaded may take as long as it needs."""

_LOOK_SECONDS: Final = 5.0
_LINGER_SECONDS: Final = 2.0
_REASONS: Final = {
    400: b"Bad Request",
    408: b"Request Timeout",
    431: b"Request Header Fields Too Large",
    503: b"Service Unavailable",
}
logger = logging.getLogger(__name__)


class BoundedProtocol(HttpToolsProtocol):
    """A connection with limits; ``limit_concurrency`` of the configuration bounds their number."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._most = self.limit_concurrency
        self.limit_concurrency = None  # uvicorn would answer with plain text
        self._head_bytes = 0
        self._is_in_head = True
        self._is_in_body = False
        self._is_over = False
        self._began = self._received = self._paused = 0.0
        self._look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept the connection, unless there are too many."""
        super().connection_made(transport)
        self._began = self._received = self.loop.time()
        if self._most is not None and len(self.connections) > self._most:
            self._end("too_many_connections", "the server has too many connections; try again")
            return
        self._look = self.loop.call_later(_LOOK_SECONDS, self._look_at_time)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop looking at the time."""
        if self._look is not None:
            self._look.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived; refuse a head that does not end within its limit."""
        if self._is_over:
            return
        self._received = self.loop.time()
        if self._is_in_head:
            if not self._head_bytes:
                self._began = self._received
            room = MAX_HEAD_BYTES - self._head_bytes
            self._head_bytes += len(data)
            super().data_received(data[:room])
            if self._has_ended():
                return
            if self._is_in_head and len(data) > room:
                message = f"the head of the request is larger than {MAX_HEAD_BYTES:,} bytes"
                self._end("head_too_large", message)
                return
            data = data[room:]
            if not data:
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._is_in_head, self._is_in_body = True, False

    def on_headers_complete(self) -> None:
        """Begin the body of the request, unless it has too many headers."""
        if len(self.headers) > MAX_HEADERS:
            message = f"the request has {len(self.headers):,} headers, {MAX_HEADERS} are allowed"
            self._end("head_too_large", message)
            raise _RefusedError
        self._is_in_head, self._is_in_body, self._head_bytes = False, True, 0
        self._began = self.loop.time()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """End the request; the next bytes belong to the head of another one."""
        super().on_message_complete()
        self._is_in_head, self._is_in_body = True, False

    def send_400_response(self, msg: str) -> None:
        """Refuse what the parser refuses."""
        if not self._is_over:
            self._end("malformed_request", f"this is not a request of HTTP/1.1: {msg}")

    def pause_writing(self) -> None:
        """Remember when the client stopped to read."""
        self._paused = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        """Forget that the client had stopped to read."""
        self._paused = 0.0
        super().resume_writing()

    def _has_ended(self) -> bool:
        return self._is_over

    def _look_at_time(self) -> None:
        """End the connection if the client takes too long."""
        now = self.loop.time()
        if self._is_over:
            return
        if self._is_too_slow(now):
            self._end("request_timeout", "the request took too long to arrive")
        elif self._paused and now - self._paused > STALL_SECONDS:
            self.transport.abort()
        else:
            self._look = self.loop.call_later(_LOOK_SECONDS, self._look_at_time)

    def _is_too_slow(self, now: float) -> bool:
        if self._is_in_body:
            if self.flow.read_paused:  # it is the application that is slow
                self._received = now
            is_upload = self.scope["method"] == "PUT"
            has_stalled = now - self._received > STALL_SECONDS
            return has_stalled or (not is_upload and now - self._began > BODY_SECONDS)
        is_waiting = self.cycle is None or self._head_bytes > 0
        return self._is_in_head and is_waiting and now - self._began > HEAD_SECONDS

    def _end(self, code: str, message: str) -> None:
        """Answer with an error and close the connection; only close it if an answer has begun.

        For a moment, what still arrives is read and dropped: a client that is sending would not see
        the answer if the connection were closed at once.
        """
        self._is_over = True
        self._unset_keepalive_if_required()
        is_answering = self.cycle is not None and self.cycle.response_started
        if is_answering and not self.cycle.response_complete:
            self.transport.abort()
            return
        request_id = uuid4().hex
        answer = error_answer(code, message, headers={REQUEST_ID: request_id})
        self.transport.write(_as_bytes(answer))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()
        self.loop.call_later(_LINGER_SECONDS, self.transport.close)
        access_log.info("%s", access_line(request_id, answer.status_code, len(answer.body)))


class _RefusedError(Exception):
    """Stops the parser; the request has been answered."""


def _as_bytes(answer: Response) -> bytes:
    head = b"HTTP/1.1 %d %s\r\n" % (answer.status_code, _REASONS[answer.status_code])
    fields = b"".join(b"%s: %s\r\n" % (name, value) for name, value in answer.raw_headers)
    return head + fields + b"connection: close\r\n\r\n" + cast("bytes", answer.body)
