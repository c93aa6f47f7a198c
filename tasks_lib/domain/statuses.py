"""The statuses of pipelines, tasks and uploads, and the kinds and modes of a seeding."""

from enum import StrEnum


class PipelineStatus(StrEnum):
    """The status of a pipeline; only active, paused and completed pipelines take tasks."""

    DRAFT = "draft"
    ACTIVE = "active"
    PAUSED = "paused"
    COMPLETED = "completed"
    ARCHIVED = "archived"


class TaskStatus(StrEnum):
    """The status of a task; ``pending`` means that a contributor can claim it."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    PAUSED = "paused"
    FINISHED = "finished"
    ESCALATED = "escalated"
    QUARANTINED = "quarantined"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"


class UploadStatus(StrEnum):
    """The status of a file that is uploaded over the HTTP API."""

    AWAITING_UPLOAD = "awaiting_upload"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"


class GroupState(StrEnum):
    """The state of a group; while it is ``undoing``, its untouched tasks are being removed."""

    CREATED = "created"
    UNDOING = "undoing"
    UNDONE = "undone"


class SeedKind(StrEnum):
    """How the tasks of a group were created."""

    CSV = "csv"
    ZIP = "zip"
    DATASET = "dataset"
    PIPELINE = "pipeline"
    CHAIN = "chain"
    BULK = "bulk"
    API = "api"
    INFINITE = "infinite"
    FRAME = "frame"


class OnError(StrEnum):
    """Whether one bad row rejects the whole source, or only itself."""

    REJECT_FILE = "reject-file"
    SKIP_ROWS = "skip-rows"
