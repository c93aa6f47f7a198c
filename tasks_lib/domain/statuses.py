"""The statuses of pipelines, tasks and uploads, and the modes of a seeding."""

from enum import StrEnum


class PipelineStatus(StrEnum):
    """Where a pipeline stands; only active, paused and completed ones take tasks."""

    DRAFT = "draft"
    ACTIVE = "active"
    PAUSED = "paused"
    COMPLETED = "completed"
    ARCHIVED = "archived"


class TaskStatus(StrEnum):
    """Where a task stands; ``pending`` means that a contributor can claim it."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    PAUSED = "paused"
    FINISHED = "finished"
    ESCALATED = "escalated"
    QUARANTINED = "quarantined"
    FAILED = "failed"


class UploadStatus(StrEnum):
    """Where a file stands that comes through the External API."""

    AWAITING_UPLOAD = "awaiting_upload"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"


class OnError(StrEnum):
    """What a bad row does: turn the whole source away, or only itself."""

    REJECT_FILE = "reject-file"
    SKIP_ROWS = "skip-rows"
