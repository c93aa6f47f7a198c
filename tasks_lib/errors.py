"""Every error of the product, drawn here; a test compares the drawing with the classes.

A class is defined here unless it needs types of a higher layer; then its module is named. A class
whose name begins with an underscore is a signal that never leaves its module, and is not drawn.

SeedingError
├── UsageError                   the request itself is wrong; exit status 2
│   ├── NotFoundError            a name or an id matches nothing
│   │   ├── NoPipelinesError     a pipeline, in a store that has none
│   │   ├── TaskNotFoundError    a task, in one pipeline (operations.tasks.read)
│   │   └── UploadNotFoundError  an upload, in one pipeline (operations.uploads.receive)
│   ├── MalformedBodyError       a request body does not have the shape that its call requires
│   ├── RequestRefusedError      a request is refused before its body is read (api.errors)
│   ├── InvalidHeaderError       a header's value is invalid (api.errors)
│   └── InvalidParameterError    a query parameter is unknown or invalid (api.errors)
├── KeyRefusedError              an API key is missing, unknown, expired or revoked
├── RejectedError                validation rejected the input; nothing was written
│   ├── CatalogueRejectedError   a catalogue file
│   ├── NotYamlError             a text that should be YAML (operations.catalogue.yaml_document)
│   ├── SourceProblemError       a source of tasks or of a dataset, where the problem is found
│   │   └── LoadRejectedError    the rows of a source of tasks (operations.seeding.reports)
│   ├── SourceRejectedError      a source of tasks, once its report is recorded (domain.report)
│   ├── ImportRejectedError      a dataset's file (operations.datasets.import_request)
│   ├── RefreshRejectedError     a dataset's query (operations.datasets.query_datasets)
│   ├── SubmissionRejectedError  a contributor's values (operations.tasks.move)
│   ├── NoKeyError               a task without a value of a key field (domain.rows.keys)
│   ├── DuplicateKeysError       rows with the same key, not named yet (store.keys.keyed_tasks)
│   ├── TasksRejectedError       tasks of an API request (operations.seeding.create_tasks)
│   ├── ChainRejectedError       a chain (operations.chains.manage)
│   ├── ManifestRejectedError    prefect.yaml (deploy.manifest)
│   ├── ValueProblemError        one value of a row (domain.values.problem)
│   ├── PathSyntaxError          a JSONPath (domain.mapping.json_paths)
│   └── UnsafePathError          a path in an archive (intake.archives.archive_paths)
├── MoveNotAllowedError          the task's lifecycle does not allow the move
├── ConflictError                the request conflicts with the current state
│   └── SeededMeanwhileError     a load whose content has been seeded (operations.seeding.loading)
├── PrintedError                 a command has printed what is wrong (cli.output.printed)
├── ReviewTimedOutError          nobody answered a form in time
├── GroupTimedOutError           awaited groups were not finished in time
├── GroupUndoneError             an awaited group was undone
├── DemoFailedError              the demo went wrong (deployments.demo.stage)
├── RunFailedError               a deployed flow run failed (steps.prefect_api)
└── UnavailableError             something outside the program is unavailable; exit status 3
    ├── StoreUnavailableError    the database
    │   ├── NoStoreError         it has no store yet, and the command creates none
    │   ├── StoreRefusedError    it answered, and refused
    │   │   └── StoreReplacedError  its file was deleted or replaced while it was open
    │   ├── StoreOutdatedError   its schema is older than this release
    │   └── StoreTooNewError     its schema is newer than this release
    ├── StorageUnavailableError  the file storage, or a remote source
    │   └── StorageRefusedError  it answered, and refused
    ├── TemporaryFilesError      the folder for temporary files: full, or read-only
    ├── SourceDatabaseUnavailableError  the database that a dataset is read from
    │   └── SourceDatabaseRefusedError  it answered, and refused
    └── PrefectUnavailableError  the Prefect server
        └── PrefectNotReadyError  none is configured, or it lacks what a call needs
"""

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple


class Problem(NamedTuple):
    """One thing that is wrong with the input: a code of ``domain.problems``, and a sentence.

    ``row`` is the 1-based data row, or None where the file as a whole is meant. ``field`` names a
    column. ``place`` is the 0-based position in the list that an API request holds.
    """

    code: str
    message: str
    row: int | None = None
    field: str | None = None
    place: int | None = None


class SeedingError(Exception):
    """The root: its text is one clear sentence that can be shown as it is.

    A class has a default ``code``, which is stable; an error can be given a more exact one.
    ``problems`` lists what is wrong in detail. ``retry_seconds`` is how long to wait before trying
    again, or None where that is unknown or useless. ``is_transient`` says whether the same call can
    succeed later although nobody changed the input; Prefect retries a step only then.
    """

    code: str = "seeding_error"
    exit_status: ClassVar[int] = 1
    is_transient: ClassVar[bool] = False
    problems: tuple[Problem, ...] = ()
    retry_seconds: float | None = None

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        problems: Sequence[Problem] = (),
        retry_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code
        if problems:
            self.problems = tuple(problems)
        if retry_seconds is not None:
            self.retry_seconds = retry_seconds

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the attributes: subclasses take other arguments than the message."""
        return _restore, (type(self), str(self)), vars(self)


def _restore(kind: type[SeedingError], message: str) -> SeedingError:
    return kind.__new__(kind, message)


class UsageError(SeedingError):
    """The request cannot be understood or contradicts itself."""

    code = "usage"
    exit_status = 2


class NotFoundError(UsageError):
    """A pipeline, group or task that was named does not exist."""

    code = "not_found"


class NoPipelinesError(NotFoundError):
    """A pipeline was named, and the store has none yet."""


class MalformedBodyError(UsageError):
    """A request body is not JSON, or does not have the shape that its call requires."""

    code = "malformed_body"


class KeyRefusedError(SeedingError):
    """An API key is missing, unknown, expired or revoked; ``code`` says which."""

    code = "invalid_api_key"


class RejectedError(SeedingError):
    """The input was read and rejected; nothing was written."""

    code = "rejected"


class CatalogueRejectedError(RejectedError):
    """A catalogue file is invalid, or would break existing tasks."""

    code = "catalogue_rejected"


class SourceProblemError(RejectedError):
    """A source or its rows cannot be used; ``problems`` says why.

    The text is that of all problems unless a ``message`` is given.
    """

    code = "source_rejected"

    def __init__(self, *problems: Problem, message: str = "") -> None:
        text = message or "; ".join(problem.message for problem in problems)
        super().__init__(text, problems=problems)


class MoveNotAllowedError(SeedingError):
    """A task cannot make the move from its current status; nothing was changed."""

    code = "move_not_allowed"


class ConflictError(SeedingError):
    """The request conflicts with the current state; nothing was changed."""

    code = "conflict"


class ReviewTimedOutError(SeedingError):
    """Nobody answered a mapping's form in time; nothing was created."""

    code = "review_timed_out"


class GroupTimedOutError(SeedingError):
    """Awaited groups were not finished in time; the text says how far they are."""

    code = "group_timed_out"


class GroupUndoneError(SeedingError):
    """An awaited group was undone, so that it never has all of its tasks again."""

    code = "group_undone"


class UnavailableError(SeedingError):
    """Something outside the program is unreachable or not ready."""

    code = "unavailable"
    exit_status = 3
    is_transient = True
    retry_seconds: float | None = 5.0


class StoreUnavailableError(UnavailableError):
    """The database cannot be reached, or stayed locked for too long."""

    code = "store_unavailable"


class NoStoreError(StoreUnavailableError):
    """The database has no store yet, and who opened it did not ask to create one."""

    code = "no_store"
    is_transient = False
    retry_seconds = None


class StoreRefusedError(StoreUnavailableError):
    """The database refused the user or the password, does not exist, or is no store."""

    is_transient = False
    retry_seconds = None


class StoreReplacedError(StoreRefusedError):
    """The file of the database was deleted or replaced while this process had it open."""


class StoreOutdatedError(StoreUnavailableError):
    """The database was made by an earlier release and has to be upgraded."""

    code = "store_outdated"
    is_transient = False
    retry_seconds = None


class StoreTooNewError(StoreUnavailableError):
    """The database was made by a later release than this one."""

    code = "store_too_new"
    is_transient = False
    retry_seconds = None


class StorageUnavailableError(UnavailableError):
    """A file storage or a remote source does not answer."""

    code = "storage_unavailable"


class StorageRefusedError(StorageUnavailableError):
    """The storage answered and refused; the same request would be refused again."""

    is_transient = False
    retry_seconds = None


class TemporaryFilesError(UnavailableError):
    """No more can be written to the folder for temporary files."""

    code = "temporary_files"


class SourceDatabaseUnavailableError(UnavailableError):
    """The database that a dataset is read from does not answer."""

    code = "source_database_unavailable"


class SourceDatabaseRefusedError(SourceDatabaseUnavailableError):
    """The database refused the user or the password, or does not exist on its server."""

    is_transient = False
    retry_seconds = None


class PrefectUnavailableError(UnavailableError):
    """The Prefect server does not answer."""

    code = "prefect_unavailable"


class PrefectNotReadyError(PrefectUnavailableError):
    """No Prefect server is configured, or it lacks a deployment; somebody has to change that."""

    is_transient = False
    retry_seconds = None
