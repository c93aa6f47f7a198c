"""Bring files to a folder, a bucket or any other place of fsspec, so that each appears whole."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import uuid4

from tasks_lib.errors import SeedingError, StorageRefusedError, StorageUnavailableError
from tasks_lib.transport.filesystems import filesystem_of, is_misconfigured, local_path, package_of
from tasks_lib.transport.retry import keep_trying

_REFUSED: Final = frozenset({400, 401, 403, 404, 405})
_REMOTE: Final = frozenset({"aiobotocore", "aiohttp", "botocore"})
_WHOLE: Final = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "memory"})
"""Protocols of places where a file appears once it is complete."""

Answer = TypeVar("Answer")


def put_file(path: Path, uri: str, *, seconds: float) -> None:
    """Copy a local file to a path or URL; it replaces a file that is there.

    Raises StorageRefusedError if it may not be written, and StorageUnavailableError after
    ``seconds`` of retries.
    """
    target = local_path(uri)
    if target is not None:
        _attempt(uri, lambda: _put_local(path, target), seconds=0)
    else:
        _attempt(uri, lambda: _put_remote(path, uri), seconds=seconds)


def list_files(folder: str, *, seconds: float) -> list[str]:
    """Return the paths of the files below a folder, relative to it; none if it does not exist."""
    local = local_path(folder)
    if local is not None:
        return sorted(
            entry.relative_to(local).as_posix() for entry in local.rglob("*") if entry.is_file()
        )

    def find() -> list[str]:
        filesystem, root = filesystem_of(folder)
        start = root.rstrip("/") + "/"
        return sorted(path.removeprefix(start) for path in filesystem.find(root))

    return _attempt(folder, find, seconds=seconds)


def size_of(uri: str, *, seconds: float) -> int | None:
    """Return the size of a file; None if there is none. Raises as ``put_file``."""

    def find() -> int | None:
        filesystem, path = filesystem_of(uri)
        try:
            return int(filesystem.size(path))
        except FileNotFoundError:
            return None

    return _attempt(uri, find, seconds=seconds)


def remove_file(uri: str, *, seconds: float) -> None:
    """Remove a file; ignore that there is none. Raises as ``put_file``."""

    def remove() -> None:
        filesystem, path = filesystem_of(uri)
        try:
            filesystem.rm_file(path)
        except FileNotFoundError:
            return

    _attempt(uri, remove, seconds=seconds)


def join(folder: str, name: str) -> str:
    """Return the path or URL of a file in a folder."""
    return f"{folder.rstrip('/')}/{name}"


def _put_local(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    incoming = target.with_name(f".{target.name}.{uuid4().hex}")
    try:
        shutil.copyfile(path, incoming)
        os.replace(incoming, target)  # noqa: PTH105 - on one file system, so at once
    finally:
        incoming.unlink(missing_ok=True)


def _put_remote(path: Path, uri: str) -> None:
    filesystem, target = filesystem_of(uri)
    protocol: Any = filesystem.protocol
    names = {protocol} if isinstance(protocol, str) else set(protocol)
    if names & _WHOLE:
        filesystem.put_file(str(path), target)
        return
    incoming = f"{target}.{uuid4().hex}"
    filesystem.makedirs(target.rpartition("/")[0], exist_ok=True)
    filesystem.put_file(str(path), incoming)
    filesystem.mv(incoming, target)


def _attempt(uri: str, act: Callable[[], Answer], *, seconds: float) -> Answer:
    def translated() -> Answer:
        with _translate_errors(uri):
            return act()

    return keep_trying(translated, seconds=seconds)


@contextmanager
def _translate_errors(uri: str) -> Iterator[None]:
    try:
        yield
    except SeedingError:
        raise
    except Exception as error:
        reason = str(error) or type(error).__name__
        if isinstance(error, OSError) and local_path(uri) is not None:
            reason = error.strerror or reason
            raise StorageRefusedError(f"{uri} cannot be written: {reason}") from None
        if isinstance(error, OSError) or package_of(error) in _REMOTE:
            is_permanent = (
                isinstance(error, FileNotFoundError | PermissionError)
                or getattr(error, "status", None) in _REFUSED
                or is_misconfigured(error)
            )
            kind = StorageRefusedError if is_permanent else StorageUnavailableError
            raise kind(f"{uri} cannot be written: {reason}") from None
        if isinstance(error, ValueError | ImportError | NotImplementedError):
            raise StorageRefusedError(f"{uri} cannot be written: {reason}") from None
        raise
