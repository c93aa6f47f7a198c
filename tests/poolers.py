"""Poolers of PostgreSQL connections: PgBouncer if it is installed, and a stand-in for it."""

import os
import secrets
import shutil
import socket
import struct
import subprocess
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from sqlalchemy import URL, make_url

from servers import free_port, wait_until

Mode = Literal["transaction", "session"]

KINDS = ["stand-in", *(["pgbouncer"] if shutil.which("pgbouncer") else [])]

_HEADER = struct.Struct("!ci")
_LENGTH = struct.Struct("!i")
_START = struct.Struct("!ii")
_REQUESTS_FOR_ENCRYPTION = (80_877_103, 80_877_104)


@contextmanager
def pooler(kind: str, url: str, mode: Mode) -> Iterator[str]:
    """Run a pooler of two server connections, and yield the URL of the same database through it."""
    address = make_url(url)
    port = free_port()
    with (_pgbouncer if kind == "pgbouncer" else _stand_in)(address, port, mode):
        pooled = address.set(host="127.0.0.1", port=port, query={})
        yield pooled.render_as_string(hide_password=False)


def server_of(url: URL) -> tuple[str, int]:
    """Return the host, or the folder of the socket, and the port."""
    return url.host or str(url.query["host"]), url.port or 5432


@contextmanager
def _pgbouncer(url: URL, port: int, mode: Mode) -> Iterator[None]:
    host, server_port = server_of(url)
    with TemporaryDirectory(prefix="pgbouncer-") as folder:
        Path(folder).chmod(0o755)  # as root, it runs as another user
        users, settings = Path(folder) / "users.txt", Path(folder) / "pgbouncer.ini"
        users.write_text(f'"{url.username}" ""\n')
        settings.write_text(
            f"[databases]\n* = host={host} port={server_port}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = trust\nauth_file = {users}\npool_mode = {mode}\n"
            f"default_pool_size = {2 if mode == 'transaction' else 20}\nmax_client_conn = 100\n"
        )
        user = ["-u", Path(host).owner()] if os.geteuid() == 0 else []
        program = subprocess.Popen(
            ["pgbouncer", "-q", *user, str(settings)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until(lambda: _accepts(port))
            yield
        finally:
            program.terminate()
            program.wait()


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True


@contextmanager
def _stand_in(url: URL, port: int, mode: Mode) -> Iterator[None]:
    with socket.create_server(("127.0.0.1", port)) as listener:
        pool = _Pool(url, mode)
        threading.Thread(target=pool.accept, args=[listener], daemon=True).start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            pool.close()


class _Pool:
    """Lends server connections to clients, in turn: for a transaction, or as long as they stay."""

    def __init__(self, url: URL, mode: Mode) -> None:
        self._address = server_of(url)
        self.mode = mode
        self._idle = deque[_Server]()
        self._all = list[_Server]()
        self._returned = threading.Condition()

    def accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def close(self) -> None:
        for server in self._all:
            server.close()

    def take(self, startup: bytes) -> "_Server":
        with self._returned:
            while self.mode == "transaction" and len(self._all) >= 2 and not self._idle:
                self._returned.wait()
            if self.mode == "session" or len(self._all) < 2:
                self._all.append(_Server(self, self._address, startup))
                return self._all[-1]
            return self._idle.popleft()

    def give_back(self, server: "_Server") -> None:
        with self._returned:
            self._idle.append(server)
            self._returned.notify()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError, EOFError):
            startup = _read_startup(client)
            server: _Server | None = self.take(startup)
            assert server is not None
            client.sendall(server.greeting)
            if self.mode == "transaction":
                self.give_back(server)
                server = None
            else:
                server.client = client
            try:
                while (message := _read_message(client))[:1] != b"X":
                    if server is None or server.client is not client:
                        server = self.take(startup)
                        server.client = client
                    server.send(message)
            finally:
                if server is not None and server.client is client:
                    server.close()


class _Server:
    """A connection to the server; a client has it until its transaction ends."""

    def __init__(self, pool: _Pool, address: tuple[str, int], startup: bytes) -> None:
        host, port = address
        if host.startswith("/"):
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.connect(f"{host}/.s.PGSQL.{port}")
        else:
            self._socket = socket.create_connection(address)
        self._pool = pool
        self._awaited = 0
        self._lock = threading.Lock()
        self.client: socket.socket | None = None
        self._socket.sendall(startup)
        self.greeting = b""
        while (message := _read_message(self._socket))[:1] != b"Z":
            if message[:1] == b"K":  # the key to cancel statements: clients get one of the pooler's
                message = message[:5] + secrets.token_bytes(len(message) - 5)
            self.greeting += message
        self.greeting += message
        threading.Thread(target=self._pass_on, daemon=True).start()

    def send(self, message: bytes) -> None:
        with self._lock:
            self._awaited += message[:1] in b"QS"
        self._socket.sendall(message)

    def close(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def _pass_on(self) -> None:
        """Pass messages on to the client; those for nobody, such as notifications, are lost."""
        with self._socket, suppress(OSError, EOFError):
            while True:
                message = _read_message(self._socket)
                client, is_free = self.client, False
                if message[:1] == b"Z":
                    with self._lock:
                        self._awaited -= 1
                        is_free = not self._awaited and message[5:] == b"I"
                if is_free and self._pool.mode == "transaction":
                    self.client = None
                    self._pool.give_back(self)
                if client is not None:
                    client.sendall(message)


def _read_startup(client: socket.socket) -> bytes:
    while True:
        header = _read(client, _START.size)
        length, code = _START.unpack(header)
        if code not in _REQUESTS_FOR_ENCRYPTION:
            return header + _read(client, length - _START.size)
        client.sendall(b"N")


def _read_message(connection: socket.socket) -> bytes:
    header = _read(connection, _HEADER.size)
    _, length = _HEADER.unpack(header)
    return header + _read(connection, length - _LENGTH.size)


def _read(connection: socket.socket, size: int) -> bytes:
    parts = []
    while size:
        part = connection.recv(size)
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
