"""A web server of one file that counts the bytes it sends, and can be made to fail."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class FileContent:
    """The bytes of a file, read only where they are requested."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __len__(self) -> int:
        return self._path.stat().st_size

    def __getitem__(self, part: slice) -> bytes:
        start, end, _ = part.indices(len(self))
        with self._path.open("rb") as file:
            return os.pread(file.fileno(), end - start, start)


class Web(ThreadingHTTPServer):
    """Serves ``content`` under ``url``."""

    def __init__(
        self, content: bytes | FileContent, *, has_ranges: bool = True, etag: str = '"1"'
    ) -> None:
        self.content = content
        self.has_ranges = has_ranges
        self.etag = etag
        self.headers: dict[str, str] = {}
        self.failures: list[int] = []
        self.fails_without_range = False
        self.requests: list[str] = []
        self.sent = 0
        super().__init__(("127.0.0.1", 0), _Answers)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/in/archive.zip"


class _Answers(BaseHTTPRequestHandler):
    server: Web
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        ranges = self.headers.get("Range")
        self.server.requests.append(f"{self.command} {ranges}")
        if (ranges or self.server.fails_without_range) and self.server.failures:
            self._send(self.server.failures.pop(0), b"")
        elif not self.path.startswith("/in/archive.zip"):
            self._send(404, b"")
        elif ranges and self.server.has_ranges:
            start, end = ranges.removeprefix("bytes=").split("-")
            self._send(206, self.server.content[int(start) : int(end) + 1])
        else:
            self._send(200, self.server.content)

    do_HEAD = do_GET  # noqa: N815

    def _send(self, status: int, body: bytes | FileContent) -> None:
        self.send_response(status)
        self.send_header("ETag", self.server.etag)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self._write(body)

    def _write(self, body: bytes | FileContent) -> None:
        try:
            for at in range(0, len(body), 65_536):
                self.wfile.write(body[at : at + 65_536])
                self.server.sent += len(body[at : at + 65_536])
        except ConnectionError:  # the client has closed the connection
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serve_content(content: bytes | FileContent) -> Iterator[Web]:
    """Run a server of the content for the duration of a block."""
    server = Web(content)
    thread = threading.Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()
