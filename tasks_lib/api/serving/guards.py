"""Middleware before the routes: request ids, the access log, and limits on bodies.

It is plain ASGI, so that a body is counted while it arrives and no refused body is read in full.
"""

import logging
import re
import time
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

import orjson
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tasks_lib.api.errors import RequestRefusedError, answer_to_defect, answer_to_refusal
from tasks_lib.api.file_responses import IS_HEAD
from tasks_lib.domain.limits import ApiLimits

access_log = logging.getLogger("tasks_lib.api.access")
logger = logging.getLogger(__name__)

REQUEST_ID: Final = "X-Request-ID"
_CLIENT_GONE: Final = 499
_ACCEPTED_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_DRAINED_BYTES: Final = 64 * 2**20
"""The part of a refused body that is read and dropped: a client that is still sending would not
see the answer."""


class AccessLog:
    """Gives each request an id, logs one line of JSON for it, and answers unexpected exceptions.

    The line contains no values, no API keys and no paths: it names the route's template.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(REQUEST_ID, "")
        request = _Logged(given if _ACCEPTED_ID.fullmatch(given) else uuid4().hex, send)
        scope.setdefault("state", {})["request_id"] = request.id
        try:
            await self._app(scope, receive, request.send)
        except ClientDisconnect:
            request.status = _CLIENT_GONE
        except Exception:
            logger.exception("request %s failed", request.id)
            if not request.status:
                await answer_to_defect(request.id)(scope, receive, request.send)
        finally:
            access_log.info("%s", request.line(scope))


class _Logged:
    """A request for the access log."""

    def __init__(self, request_id: str, send: Send) -> None:
        self.id = request_id
        self.status = 0
        self._bytes = 0
        self._send = send
        self._started = time.perf_counter()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            MutableHeaders(scope=message)[REQUEST_ID] = self.id
        elif message["type"] == "http.response.body":
            self._bytes += len(message.get("body", b""))
        await self._send(message)

    def line(self, scope: MutableMapping[str, Any]) -> str:
        caller = scope["state"].get("caller")
        return access_line(
            self.id,
            self.status,
            self._bytes,
            method="HEAD" if scope.get(IS_HEAD) else scope["method"],
            route=getattr(scope.get("route"), "path", None),
            ms=round(1_000 * (time.perf_counter() - self._started), 1),
            key=caller.prefix if caller is not None else None,
        )


def access_line(
    request_id: str,
    status: int,
    size: int,
    *,
    method: str | None = None,
    route: str | None = None,
    ms: float = 0.0,
    key: str | None = None,
) -> str:
    """Return the line of the access log about a request, one that has reached a route or not."""
    return orjson.dumps(
        {
            "at": datetime.now(UTC),
            "request_id": request_id,
            "method": method,
            "route": route,
            "status": status,
            "ms": ms,
            "bytes": size,
            "key": key,
        }
    ).decode()


class HeadAsGet:
    """Answers HEAD as GET, without the body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self._app({**scope, "method": "GET", IS_HEAD: True}, receive, send_head)


class BodyGuard:
    """Refuses bodies that are not JSON (415) or too large (413), before they are parsed."""

    def __init__(self, app: ASGIApp, limits: ApiLimits, max_upload_bytes: int) -> None:
        self._app = app
        self._limits = limits
        self._max_upload_bytes = max_upload_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_upload = scope["method"] == "PUT"
        limit = self._max_upload_bytes if is_upload else self._limits.max_body_bytes
        headers = Headers(scope=scope)
        body = _BoundedBody(receive, limit, waits_for_us="expect" in headers)
        try:
            if scope["method"] in _WITH_JSON:
                _check_media_type(headers)
            await body.check_announced(headers.get("content-length", ""))
        except RequestRefusedError as error:
            await answer_to_refusal(error)(scope, receive, send)
            return
        await self._app(scope, body.receive, send)


class _BoundedBody:
    """A body with a limit on its size; it is counted while it arrives."""

    def __init__(self, receive: Receive, limit: int, *, waits_for_us: bool) -> None:
        self._receive = receive
        self._limit = limit
        self._waits_for_us = waits_for_us
        self._received = 0

    async def check_announced(self, length: str) -> None:
        """Raise RequestRefusedError if the announced length is too large."""
        if length.isdecimal() and int(length) > self._limit:
            if not self._waits_for_us:
                await self._drain()
            raise self._too_large()

    async def receive(self) -> Message:
        """Receive a message; raise RequestRefusedError once the body is too large."""
        message = await self._receive()
        self._count(message)
        if self._received > self._limit:
            if message.get("more_body", False):
                await self._drain()
            raise self._too_large()
        return message

    async def _drain(self) -> None:
        while self._received <= self._limit + _DRAINED_BYTES:
            message = await self._receive()
            self._count(message)
            if not message.get("more_body", False):
                return

    def _count(self, message: Message) -> None:
        self._received += len(message.get("body", b""))

    def _too_large(self) -> RequestRefusedError:
        message = f"the body is larger than {self._limit:,} bytes; send it in parts"
        return RequestRefusedError("body_too_large", message)


_WITH_JSON: Final = frozenset({"GET", "HEAD", "POST", "DELETE"})
"""The methods of calls, except the upload of a file; routing answers others by 405."""


def _check_media_type(headers: Headers) -> None:
    """Raise RequestRefusedError unless the body is declared as plain JSON, or empty."""
    if headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers:
        return
    media_type, _, parameters = headers.get("content-type", "").partition(";")
    charset = parameters.replace(" ", "").lower() or "charset=utf-8"
    if media_type.strip().lower() != "application/json" or charset not in _CHARSETS:
        shown = headers.get("content-type", "")[:100]
        message = f"the body must be application/json in UTF-8; its type is {shown!r}"
        raise RequestRefusedError("unsupported_media_type", message)
    encoding = headers.get("content-encoding", "identity")
    if encoding.lower() != "identity":
        message = f"the body must not be compressed; its encoding is {encoding[:100]!r}"
        raise RequestRefusedError("unsupported_media_type", message)


_CHARSETS: Final = frozenset({"charset=utf-8", 'charset="utf-8"', "charset=utf8"})
