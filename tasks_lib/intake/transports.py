"""What goes wrong between us and a file, in our own words instead of a transport's."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tasks_lib.domain.problems import Problem, SourceProblemError
from tasks_lib.errors import SeedingError, StorageUnavailableError

_TRANSPORTS: Final = frozenset({"aiobotocore", "aiohttp", "botocore"})
_FORBIDDEN_STATUSES: Final = frozenset({401, 403})


@contextmanager
def explained(uri: str) -> Iterator[None]:
    """Raise SourceProblemError where ``uri`` is at fault, StorageUnavailableError where the way is.

    fsspec's file systems raise OSError and its kinds; what botocore and aiohttp raise themselves
    means that no answer came, except for a refused request.
    """
    try:
        yield
    except (SourceProblemError, SeedingError):
        raise
    except FileNotFoundError:
        raise _problem("source_not_found", f"{uri} does not exist") from None
    except (IsADirectoryError, NotADirectoryError):
        raise _problem("source_is_directory", f"{uri} is not a file; name one file") from None
    except PermissionError as error:
        raise _problem("source_forbidden", f"{uri} may not be read: {error}") from None
    except (ValueError, ImportError) as error:
        raise _problem("source_unsupported", f"{uri} cannot be opened: {error}") from None
    except Exception as error:
        if getattr(error, "status", None) in _FORBIDDEN_STATUSES:
            raise _problem("source_forbidden", f"{uri} may not be read: {error}") from None
        if isinstance(error, OSError) or type(error).__module__.split(".")[0] in _TRANSPORTS:
            reason = str(error) or type(error).__name__
            raise StorageUnavailableError(f"{uri} cannot be reached: {reason}") from error
        raise


def _problem(code: str, message: str) -> SourceProblemError:
    return SourceProblemError(Problem(code, message))
