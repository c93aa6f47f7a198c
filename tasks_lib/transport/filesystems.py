"""Open files through fsspec, and translate its errors into ours."""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from os.path import expanduser
from pathlib import Path
from typing import Any, BinaryIO, Final, cast
from urllib.parse import unquote

from tasks_lib.domain.names import STANDARD_INPUT
from tasks_lib.errors import (
    Problem,
    SeedingError,
    SourceProblemError,
    StorageRefusedError,
    StorageUnavailableError,
)
from tasks_lib.transport.retry import Answer, keep_trying

_LOCAL_PROTOCOLS: Final = frozenset({"file", "local"})
_LOCAL_PREFIX: Final = re.compile(r"^(file|local):(//)?")
_PROTOCOL_END: Final = re.compile(r"::|://")
_TRANSPORTS: Final = frozenset({"aiobotocore", "aiohttp", "botocore"})
_MISCONFIGURED: Final = frozenset(
    {"NoCredentialsError", "NoRegionError", "PartialCredentialsError", "ProfileNotFound"}
)
"""Errors of botocore that a retry cannot cure; to import their classes takes long."""

_FORBIDDEN: Final = frozenset({401, 403})
_GONE: Final = frozenset({404, 410})


def protocol_of(uri: str) -> str:
    """Return the protocol of a URL, such as ``s3``; ``file`` for a path."""
    protocol, *rest = _PROTOCOL_END.split(uri, maxsplit=1)
    return protocol if rest else "file"


def local_path(uri: str) -> Path | None:
    """Return the path of a path, ``file://`` or ``local://`` URL; None for anything remote.

    ``a::b`` chains two file systems of fsspec, unless there is a file of that name.
    """
    if "::" in uri and "://" not in uri and _exists(Path(uri)):
        return Path(uri)
    if protocol_of(uri) not in _LOCAL_PROTOCOLS:
        return None
    path = _LOCAL_PREFIX.sub("", uri)
    if uri.startswith("file:"):
        path = unquote(path)
    return Path(expanduser(path)).absolute()  # noqa: PTH111 - Path refuses an unknown user


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # such as a name that is too long; opening the file reports it
        return False


def filesystem_of(uri: str) -> tuple[Any, str]:
    """Return the fsspec file system for a URL, and the path in it.

    The file system is a new one at each call: fsspec's cached one would keep the environment and
    the file listings of an earlier call.
    """
    import fsspec  # noqa: PLC0415 - takes time to load, and local files do not need it

    try:
        filesystem, path = fsspec.url_to_fs(uri, skip_instance_cache=True)
    except (AttributeError, LookupError, TypeError) as error:
        message = (
            f"{uri} cannot be opened: {protocol_of(uri)}:// needs more than a URL ({error}); "
            "copy the file to a folder or a bucket first"
        )
        raise _problem("source_unsupported", message) from None
    return filesystem, path


def is_stream(uri: str) -> bool:
    """Return whether a source can be read only once: standard input, a pipe or another device."""
    if uri == STANDARD_INPUT:
        return True
    path = local_path(uri)
    return path is not None and _exists(path) and not (path.is_file() or path.is_dir())


def open_bytes(uri: str) -> AbstractContextManager[BinaryIO]:
    """Open a source of any kind to read it from its beginning to its end."""
    if uri == STANDARD_INPUT:
        return nullcontext(sys.stdin.buffer)
    path = local_path(uri)
    if path is not None:
        return path.open("rb")
    filesystem, remote = filesystem_of(uri)
    return cast("AbstractContextManager[BinaryIO]", filesystem.open(remote, "rb"))


@contextmanager
def translate_errors(uri: str) -> Iterator[None]:
    """Raise SourceProblemError if ``uri`` is wrong, StorageUnavailableError if nothing responds.

    The file systems of fsspec raise OSError and its subclasses. An error of botocore or aiohttp
    itself means no response, or one with a status; fsspec's web file system raises
    FileNotFoundError from it.
    """
    try:
        yield
    except SeedingError:
        raise
    except Exception as error:
        cause = error.__cause__ if isinstance(error, FileNotFoundError) else None
        translated = _translate(uri, cause if package_of(cause) == "aiohttp" else error)
        if translated is None:
            raise
        raise translated from None


def ask_source(uri: str, attempt: Callable[[], Answer], *, seconds: float) -> Answer:
    """Call ``attempt``, with retries if the source is remote; raise as ``translate_errors``."""

    def translated() -> Answer:
        with translate_errors(uri):
            return attempt()

    with translate_errors(uri):
        is_remote = local_path(uri) is None
    return keep_trying(translated, seconds=seconds if is_remote else 0)


def _translate(uri: str, error: BaseException | None) -> Exception | None:
    status = getattr(error, "status", None)
    if isinstance(error, FileNotFoundError) or status in _GONE:
        return _problem("source_not_found", f"{uri} does not exist")
    if isinstance(error, IsADirectoryError | NotADirectoryError):
        return _problem("source_is_directory", f"{uri} is not a file; name one file")
    if isinstance(error, PermissionError) or status in _FORBIDDEN:
        return _problem("source_forbidden", f"{uri} may not be read: {error}")
    if isinstance(error, OSError) or package_of(error) in _TRANSPORTS:
        reason = str(error) or type(error).__name__
        kind = StorageRefusedError if is_misconfigured(error) else StorageUnavailableError
        return kind(f"{uri} cannot be reached: {reason}")
    if isinstance(error, ValueError | ImportError):
        return _problem("source_unsupported", f"{uri} cannot be opened: {error}")
    return None


def is_misconfigured(error: BaseException | None) -> bool:
    """Return whether a client library lacks credentials or a region, which no retry can cure."""
    return type(error).__name__ in _MISCONFIGURED


def package_of(error: BaseException | None) -> str:
    """Return the name of the package that an error's class comes from."""
    return type(error).__module__.split(".")[0]


def _problem(code: str, message: str) -> SourceProblemError:
    return SourceProblemError(Problem(code, message))
