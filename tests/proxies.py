"""A proxy to a server whose connections tests can cut."""

import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit

from servers import free_port


class Proxy:
    """A proxy that can be cut: open connections break, and new ones are refused."""

    def __init__(self, endpoint: str) -> None:
        self.target = urlsplit(endpoint)
        self.port = free_port()
        self.drops_left = 0
        self._bytes_between = self._bytes_left = 0
        self._lock = threading.Lock()
        self._open = set[socket.socket]()
        self._listener: socket.socket | None = None
        self.restore()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def restore(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=[self._listener], daemon=True).start()

    def cut(self) -> None:
        """Refuse new connections, and drop the open ones."""
        assert self._listener is not None
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop()

    def drop(self) -> None:
        """Drop the open connections."""
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def drop_after(self, size: int, *, times: int) -> None:
        """Drop the open connections after every ``size`` bytes, ``times`` times."""
        self.drops_left, self._bytes_between, self._bytes_left = times, size, size

    def _count(self, size: int) -> None:
        with self._lock:
            self._bytes_left -= size
            if not self.drops_left or self._bytes_left > 0:
                return
            self.drops_left -= 1
            self._bytes_left = self._bytes_between
        self.drop()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                here, _ = listener.accept()
                there = socket.create_connection((self.target.hostname, self.target.port))
                for pair in ((here, there), (there, here)):
                    threading.Thread(target=self._pump, args=pair, daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        self._open.add(source)
        with suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data)
                self._count(len(data))
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)
        self._open.discard(source)
        source.close()
