"""Reach files through fsspec, and tell what goes wrong on the way in our own words."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import fsspec
from fsspec.utils import get_protocol

from tasks_lib.domain.problems import Problem, SourceProblemError
from tasks_lib.errors import SeedingError, StorageUnavailableError

_LOCAL_PROTOCOLS: Final = frozenset({"file", "local"})
_TRANSPORTS: Final = frozenset({"aiobotocore", "aiohttp", "botocore"})
_FORBIDDEN: Final = frozenset({401, 403})
_GONE: Final = frozenset({404, 410})


def local_path(uri: str) -> Path | None:
    """Return where a path, ``file://`` or ``local://`` URL lies; None for anything remote."""
    if get_protocol(uri) not in _LOCAL_PROTOCOLS:
        return None
    _, path = fsspec.url_to_fs(uri)
    return Path(unquote(path) if uri.startswith("file:") else path)


def filesystem_of(uri: str) -> tuple[Any, str]:
    """Return the fsspec file system for a URL, and the path in it.

    It is a new one each time: fsspec would hand out an earlier one with what that knew of the
    environment and of the files that were there.
    """
    filesystem, path = fsspec.url_to_fs(uri, skip_instance_cache=True)
    return filesystem, path


@contextmanager
def explained(uri: str) -> Iterator[None]:
    """Raise SourceProblemError where ``uri`` is at fault, StorageUnavailableError where the way is.

    fsspec's file systems raise OSError and its kinds; what botocore and aiohttp raise themselves
    means that no answer came, or one with a status. For the web, any of it comes as "not found".
    """
    try:
        yield
    except (SourceProblemError, SeedingError):
        raise
    except Exception as error:
        cause = error.__cause__ if isinstance(error, FileNotFoundError) else None
        told = _told(uri, cause if _package_of(cause) == "aiohttp" else error)
        if told is None:
            raise
        raise told from None


def _told(uri: str, error: BaseException | None) -> Exception | None:
    status = getattr(error, "status", None)
    if isinstance(error, FileNotFoundError) or status in _GONE:
        return _problem("source_not_found", f"{uri} does not exist")
    if isinstance(error, IsADirectoryError | NotADirectoryError):
        return _problem("source_is_directory", f"{uri} is not a file; name one file")
    if isinstance(error, PermissionError) or status in _FORBIDDEN:
        return _problem("source_forbidden", f"{uri} may not be read: {error}")
    if isinstance(error, OSError) or _package_of(error) in _TRANSPORTS:
        reason = str(error) or type(error).__name__
        return StorageUnavailableError(f"{uri} cannot be reached: {reason}")
    if isinstance(error, ValueError | ImportError):
        return _problem("source_unsupported", f"{uri} cannot be opened: {error}")
    return None


def _package_of(error: BaseException | None) -> str:
    return type(error).__module__.split(".")[0]


def _problem(code: str, message: str) -> SourceProblemError:
    return SourceProblemError(Problem(code, message))
