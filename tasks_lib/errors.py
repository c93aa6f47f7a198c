"""Every error that a person may meet, and the exit status that the command line gives it.

SeedingError
├── UsageError               2  the request itself is wrong
│   ├── NotFoundError           a name or number leads to nothing
│   └── MalformedBodyError      a request's body is not what its call takes
├── KeyRefusedError          1  a key of the External API is missing or opens nothing any more
├── RejectedError            1  validation turned the input away
│   ├── SourceRejectedError     a source of tasks (tasks_lib.domain.report: it carries one)
│   ├── SubmissionRejectedError a contributor's values (tasks_lib.operations.lifecycle)
│   ├── ChainRejectedError      a chain (tasks_lib.operations.chains)
│   ├── TasksRejectedError      tasks of the External API (tasks_lib.operations.create_tasks)
│   └── CatalogueRejectedError  a catalogue file
├── MoveNotAllowedError      1  the task's lifecycle does not allow it
├── ConflictError            1  what there is stands against it
├── ReviewTimedOutError      1  nobody answered a form in time
└── UnavailableError         3  the store, the storage or Prefect cannot be used
    ├── StoreUnavailableError
    │   ├── StoreOutdatedError
    │   └── StoreTooNewError
    ├── StorageUnavailableError
    │   └── StorageRefusedError
    ├── SourceDatabaseUnavailableError
    └── PrefectUnavailableError
"""

from typing import ClassVar


class SeedingError(Exception):
    """The root: its text is one clear sentence that can be shown as it is.

    A kind of error has a ``code``; one that is raised may be given a more exact one.
    """

    code: str = "seeding_error"
    exit_status: ClassVar[int] = 1

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class UsageError(SeedingError):
    """The request cannot be understood or contradicts itself."""

    code = "usage"
    exit_status = 2


class NotFoundError(UsageError):
    """A pipeline, group or task that was named does not exist."""

    code = "not_found"


class MalformedBodyError(UsageError):
    """A request's body is not JSON, or not of the shape that its call takes."""

    code = "malformed_body"


class KeyRefusedError(SeedingError):
    """A key of the External API is missing, unknown, expired or revoked; ``code`` says which."""

    code = "invalid_api_key"


class RejectedError(SeedingError):
    """The input was read and turned away; nothing was written."""

    code = "rejected"
    exit_status = 1


class CatalogueRejectedError(RejectedError):
    """A catalogue file is invalid, or would break tasks that exist."""

    code = "catalogue_rejected"


class MoveNotAllowedError(SeedingError):
    """A task cannot make the move from where it stands; nothing was changed."""

    code = "move_not_allowed"


class ConflictError(SeedingError):
    """What there is stands against the request; nothing was changed."""

    code = "conflict"


class ReviewTimedOutError(SeedingError):
    """Nobody answered a mapping's form in time; nothing was made."""

    code = "review_timed_out"


class UnavailableError(SeedingError):
    """Something outside the program is unreachable or not ready."""

    code = "unavailable"
    exit_status = 3


class StoreUnavailableError(UnavailableError):
    """The database cannot be reached, or stayed locked for too long."""

    code = "store_unavailable"


class StoreOutdatedError(StoreUnavailableError):
    """The database was made by an earlier release and has to be upgraded."""

    code = "store_outdated"


class StoreTooNewError(StoreUnavailableError):
    """The database was made by a later release than this one."""

    code = "store_too_new"


class StorageUnavailableError(UnavailableError):
    """A file store or a remote source does not answer."""

    code = "storage_unavailable"


class StorageRefusedError(StorageUnavailableError):
    """The storage answered, and said no: to ask again is of no use."""


class SourceDatabaseUnavailableError(UnavailableError):
    """The database that a dataset is read from does not answer."""

    code = "source_database_unavailable"


class PrefectUnavailableError(UnavailableError):
    """No Prefect server answers, or the deployment is missing."""

    code = "prefect_unavailable"
