"""An S3 server that does almost nothing, so that benchmarks do not measure the server.

It keeps keys and sizes, never contents, and asks for no signature. With ``--latency-ms`` each
answer comes that much later, however many are under way, as from a server that is far away.
"""

import argparse
import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, unquote
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

_HEAD_END: Final = b"\r\n\r\n"
_MAX_HEAD_BYTES: Final = 64 * 2**10
_LISTED_AT_ONCE: Final = 1_000
_TAG: Final = '"00000000000000000000000000000000"'
_LONG_AGO: Final = "2000-01-01T00:00:00.000Z"
_REASONS: Final = {
    200: "OK",
    204: "No Content",
    400: "Bad Request",
    404: "Not Found",
    501: "Not Implemented",
}


class Request(NamedTuple):
    """A request; ``size`` is that of the object's content, without the encoding around it."""

    method: str
    bucket: str
    key: str
    query: Mapping[str, str]
    size: int
    body: bytes


class Answer(NamedTuple):
    """A response; ``size`` is that of a body which is not sent, as for HEAD."""

    status: int = 200
    body: str = ""
    size: int | None = None

    def encode(self, *, with_body: bool) -> bytes:
        """Return the response in the form of HTTP."""
        body = self.body.encode() if with_body else b""
        length = len(body) if self.size is None else self.size
        size = "" if self.status == 204 else f"Content-Length: {length}\r\n"
        head = f"HTTP/1.1 {self.status} {_REASONS[self.status]}\r\nETag: {_TAG}\r\n{size}\r\n"
        return head.encode() + body


@dataclass
class Objects:
    """Sizes by key, of all buckets, and of the parts of uploads that are not complete."""

    buckets: dict[str, dict[str, int]] = field(default_factory=dict)
    uploads: dict[str, dict[int, int]] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def answer(self, request: Request) -> Answer:
        """Answer a request."""
        if request.method == "PUT" and not request.key:
            self.buckets[request.bucket] = {}
            return Answer()
        if request.bucket not in self.buckets:
            return _error(404, "NoSuchBucket", request.bucket)
        act = self._act(request)
        if act is None:
            return _error(501, "NotImplemented", f"{request.method} {dict(request.query)}")
        return act(request, self.buckets[request.bucket])

    def _act(self, request: Request) -> Callable[[Request, dict[str, int]], Answer] | None:
        """Return the handler of a request, by its method and its query."""
        of = "upload" if "uploadId" in request.query else "object" if request.key else "bucket"
        mark = next((name for name in ("uploads", "delete") if name in request.query), "")
        return {
            ("PUT", "object", ""): self._put,
            ("HEAD", "object", ""): self._head,
            ("DELETE", "object", ""): self._delete,
            ("POST", "object", "uploads"): self._begin,
            ("PUT", "upload", ""): self._put_part,
            ("POST", "upload", ""): self._complete,
            ("DELETE", "upload", ""): self._abort,
            ("HEAD", "bucket", ""): lambda *_: Answer(),
            ("GET", "bucket", ""): self._list,
            ("POST", "bucket", "delete"): self._delete_many,
        }.get((request.method, of, mark))

    def _put(self, request: Request, sizes: dict[str, int]) -> Answer:
        sizes[request.key] = request.size
        return Answer()

    def _head(self, request: Request, sizes: dict[str, int]) -> Answer:
        size = sizes.get(request.key)
        return Answer(404) if size is None else Answer(size=size)

    def _delete(self, request: Request, sizes: dict[str, int]) -> Answer:
        sizes.pop(request.key, None)
        return Answer(204)

    def _delete_many(self, request: Request, sizes: dict[str, int]) -> Answer:
        for element in ET.fromstring(request.body).iter():  # noqa: S314 - our own clients
            if element.tag.rpartition("}")[2] == "Key":
                sizes.pop(element.text or "", None)
        return _xml("DeleteResult")

    def _begin(self, request: Request, _: dict[str, int]) -> Answer:
        name = str(next(self.numbers))
        self.uploads[name] = {}
        return _xml(
            "InitiateMultipartUploadResult",
            [("Bucket", request.bucket), ("Key", request.key), ("UploadId", name)],
        )

    def _put_part(self, request: Request, _: dict[str, int]) -> Answer:
        parts = self.uploads.get(request.query["uploadId"])
        if parts is None:
            return _error(404, "NoSuchUpload", request.query["uploadId"])
        parts[int(request.query["partNumber"])] = request.size
        return Answer()

    def _complete(self, request: Request, sizes: dict[str, int]) -> Answer:
        parts = self.uploads.pop(request.query["uploadId"], None)
        if parts is None:
            return _error(404, "NoSuchUpload", request.query["uploadId"])
        sizes[request.key] = sum(parts.values())
        return _xml(
            "CompleteMultipartUploadResult",
            [("Bucket", request.bucket), ("Key", request.key), ("ETag", _TAG)],
        )

    def _abort(self, request: Request, _: dict[str, int]) -> Answer:
        parts = self.uploads.pop(request.query["uploadId"], None)
        return Answer(204) if parts is not None else _error(404, "NoSuchUpload", request.key)

    def _list(self, request: Request, sizes: dict[str, int]) -> Answer:
        """Answer ListObjectsV2; a page's token is the last key before it."""
        prefix, after = (request.query.get(name, "") for name in ("prefix", "continuation-token"))
        keys = sorted(key for key in sizes if key.startswith(prefix) and key > after)
        page, rest = keys[:_LISTED_AT_ONCE], keys[_LISTED_AT_ONCE:]
        found = [("IsTruncated", "true" if rest else "false"), ("KeyCount", str(len(page)))]
        if rest:
            found.append(("NextContinuationToken", page[-1]))
        contents = "".join(
            f"<Contents>{_elements(_listed(key, sizes[key]))}</Contents>" for key in page
        )
        return _xml("ListBucketResult", found, contents)


class Connection(asyncio.Protocol):
    """A connection of a client: answers its requests one by one, each after a delay."""

    def __init__(self, objects: Objects, latency_seconds: float) -> None:
        self._objects = objects
        self._latency_seconds = latency_seconds
        self._received = bytearray()
        self._head: tuple[Sequence[str], Mapping[str, str]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport that answers are written to."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each request that has arrived completely."""
        self._received += data
        while self._has_head() and self._has_body():
            self._answer()

    def _has_head(self) -> bool:
        if self._head is not None:
            return True
        end = self._received.find(_HEAD_END)
        if end < 0:
            if len(self._received) > _MAX_HEAD_BYTES:
                self._transport.abort()
            return False
        first, *lines = self._received[:end].decode("latin-1").split("\r\n")
        del self._received[: end + len(_HEAD_END)]
        pairs = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        self._head = (first.split(" "), headers)
        if headers.get("expect", "").lower() == "100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return True

    def _has_body(self) -> bool:
        assert self._head is not None  # noqa: S101
        return len(self._received) >= int(self._head[1].get("content-length", 0))

    def _answer(self) -> None:
        assert self._head is not None  # noqa: S101
        (method, target, _), headers = self._head
        size = int(headers.get("content-length", 0))
        body = bytes(self._received[:size]) if method == "POST" else b""
        del self._received[:size]
        self._head = None
        if "transfer-encoding" in headers:
            answer = _error(501, "NotImplemented", "Transfer-Encoding")
        else:
            path, _, query = target.partition("?")
            bucket, _, key = unquote(path).lstrip("/").partition("/")
            pairs = dict(parse_qsl(query, keep_blank_values=True))
            # Of a body in signed chunks, this is the size without the signatures.
            size = int(headers.get("x-amz-decoded-content-length", size))
            answer = self._objects.answer(Request(method, bucket, key, pairs, size, body))
        self._send(answer.encode(with_body=method != "HEAD"))

    def _send(self, answer: bytes) -> None:
        if self._latency_seconds:
            loop = asyncio.get_running_loop()
            loop.call_later(self._latency_seconds, self._transport.write, answer)
        else:
            self._transport.write(answer)


def _listed(key: str, size: int) -> list[tuple[str, str]]:
    return [("Key", key), ("Size", str(size)), ("ETag", _TAG), ("LastModified", _LONG_AGO)]


def _error(status: int, code: str, message: str) -> Answer:
    return _xml("Error", [("Code", code), ("Message", message)])._replace(status=status)


def _xml(name: str, values: Iterable[tuple[str, str]] = (), inner: str = "") -> Answer:
    return Answer(body=f"<{name}>{_elements(values)}{inner}</{name}>")


def _elements(values: Iterable[tuple[str, str]]) -> str:
    return "".join(f"<{name}>{escape(value)}</{name}>" for name, value in values)


async def serve(port: int, *, latency_seconds: float) -> None:
    """Serve on loopback until cancelled."""
    objects = Objects()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Connection(objects, latency_seconds), "127.0.0.1", port, backlog=256
    )
    async with server:
        await server.serve_forever()


def main() -> None:
    """Serve at the address of the options until the process is terminated."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.s3_stub", description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--latency-ms", type=float, default=0)
    options = parser.parse_args()
    asyncio.run(serve(options.port, latency_seconds=options.latency_ms / 1_000))


if __name__ == "__main__":
    main()
