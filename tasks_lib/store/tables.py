"""The tables. What must never happen is forbidden here, by the constraints.

``predefined`` is ``json``, not ``jsonb``: it keeps a number's digits and a document's text as they
were written, and loads faster (docs/performance.md); values are read whole and never searched.
"""

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    ColumnElement,
    DateTime,
    Dialect,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Text,
    TypeDecorator,
    UniqueConstraint,
    cast,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tasks_lib.domain.chains import Trigger
from tasks_lib.domain.statuses import PipelineStatus, TaskStatus

_NAMING: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC moment, on SQLite too, which stores it without its offset."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Store the moment as UTC."""
        return value.astimezone(UTC) if value is not None else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the moment as aware UTC."""
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


class JsonText(TypeDecorator[str]):
    """JSON that is handed over and read back as text, to the letter."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        """Use PostgreSQL's ``json``, which checks and keeps the text; text elsewhere."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(_PostgresJsonText())
        return dialect.type_descriptor(Text())

    def column_expression(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """Read as text: psycopg would parse JSON, and lose the digits of numbers."""
        return cast(column, Text)


class _PostgresJsonText(postgresql.JSON):
    """``json`` without conversion on either side."""

    def bind_processor(self, dialect: Dialect) -> None:
        return None

    def result_processor(self, dialect: Dialect, coltype: object) -> None:
        return None


MAX_ID: Final = 2**63 - 1
"""The largest number that an id column holds; nothing larger needs to be looked for."""

BigId = BigInteger().with_variant(Integer(), "sqlite")


class Table(DeclarativeBase):
    """What all tables share."""

    metadata = MetaData(naming_convention=_NAMING)


class OrganizationRow(Table):
    """An organization; nothing crosses it."""

    __tablename__ = "organizations"
    __table_args__ = (UniqueConstraint("name"),)

    id: Mapped[int] = mapped_column(BigId, Identity(always=True), primary_key=True)
    name: Mapped[str] = mapped_column(Text)


class ProjectRow(Table):
    """A project of an organization."""

    __tablename__ = "projects"
    __table_args__ = (UniqueConstraint("organization_id", "name"),)

    id: Mapped[int] = mapped_column(BigId, Identity(always=True), primary_key=True)
    organization_id: Mapped[int] = mapped_column(BigId, ForeignKey("organizations.id"))
    name: Mapped[str] = mapped_column(Text)


class PipelineRow(Table):
    """A pipeline; its row is locked for sharing while tasks are made for its fields."""

    __tablename__ = "pipelines"
    __table_args__ = (
        UniqueConstraint("project_id", "name"),
        CheckConstraint(
            f"status IN ({', '.join(repr(status.value) for status in PipelineStatus)})",
            name="status",
        ),
    )

    id: Mapped[int] = mapped_column(BigId, Identity(always=True), primary_key=True)
    project_id: Mapped[int] = mapped_column(BigId, ForeignKey("projects.id"))
    name: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text)
    claim_timeout_seconds: Mapped[int | None] = mapped_column(Integer)


class FieldRow(Table):
    """A field of a pipeline; ``constraints`` holds what the catalogue sets beyond the columns."""

    __tablename__ = "fields"
    __table_args__ = (
        UniqueConstraint("pipeline_id", "name"),
        UniqueConstraint("pipeline_id", "position"),
    )

    id: Mapped[int] = mapped_column(BigId, Identity(always=True), primary_key=True)
    pipeline_id: Mapped[int] = mapped_column(BigId, ForeignKey("pipelines.id"))
    position: Mapped[int] = mapped_column(Integer)
    name: Mapped[str] = mapped_column(Text)
    type: Mapped[str] = mapped_column(Text)
    source: Mapped[str] = mapped_column(Text)
    required: Mapped[bool]
    constraints: Mapped[dict[str, Any]] = mapped_column(JSON)


class TaskGroupRow(Table):
    """One act of seeding. ``seed_key`` says what was seeded: the database lets it in only once.

    ``announce_at`` is when a relay shall tell Prefect of it, unless somebody has done so by then.
    ``chain_id`` is the chain that made it, also when that is gone.
    """

    __tablename__ = "task_groups"
    __table_args__ = (
        UniqueConstraint("pipeline_id", "seed_key"),
        UniqueConstraint("id", "pipeline_id"),  # what a task refers to
        Index(
            "ix_task_groups_announce_at",
            "announce_at",
            postgresql_where=text("announce_at IS NOT NULL"),
            sqlite_where=text("announce_at IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigId, Identity(always=True), primary_key=True)
    pipeline_id: Mapped[int] = mapped_column(BigId, ForeignKey("pipelines.id"))
    kind: Mapped[str] = mapped_column(Text)
    seed_key: Mapped[str] = mapped_column(Text)
    source: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    stream_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("streams.id"))
    chain_id: Mapped[int | None] = mapped_column(BigId)
    task_count: Mapped[int] = mapped_column(BigInteger, default=0)
    rejected_count: Mapped[int] = mapped_column(BigInteger, default=0)
    announce_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class TaskRow(Table):
    """A task. ``row`` is its place in the group's source; a row makes one task, never two.

    ``predefined`` came with the seeding, ``filled_in`` from the contributor. What flows in by a
    stream has the id of its dataset row or source task as ``origin_id``, once in a stream.
    ``claimed_by`` stays when the task is finished; without a claim it is None.

    One foreign key, over both columns, holds it to its group and the group's pipeline: PostgreSQL
    checks each row of a COPY against each key, so a second key would cost a third of a load's time.
    """

    __tablename__ = "tasks"
    __table_args__ = (
        UniqueConstraint("group_id", "row"),
        ForeignKeyConstraint(
            ["group_id", "pipeline_id"], ["task_groups.id", "task_groups.pipeline_id"]
        ),
        Index(None, "pipeline_id", "status", "id"),
        Index(
            "uq_tasks_stream_id_origin_id",
            "stream_id",
            "origin_id",
            unique=True,
            postgresql_where=text("stream_id IS NOT NULL"),
            sqlite_where=text("stream_id IS NOT NULL"),
        ),
        Index(
            "ix_tasks_claim_expires_at",
            "claim_expires_at",
            postgresql_where=text("claim_expires_at IS NOT NULL"),
            sqlite_where=text("claim_expires_at IS NOT NULL"),
        ),
        CheckConstraint(
            f"status IN ({', '.join(repr(status.value) for status in TaskStatus)})", name="status"
        ),
    )

    id: Mapped[int] = mapped_column(BigId, Identity(always=True), primary_key=True)
    pipeline_id: Mapped[int] = mapped_column(BigId)
    group_id: Mapped[int] = mapped_column(BigId)
    row: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[str] = mapped_column(Text)
    predefined: Mapped[str] = mapped_column(JsonText)
    filled_in: Mapped[str | None] = mapped_column(JsonText)
    stream_id: Mapped[int | None] = mapped_column(BigId)
    origin_id: Mapped[int | None] = mapped_column(BigId)
    claimed_by: Mapped[str | None] = mapped_column(Text)
    claimed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    claim_expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class TaskMoveRow(Table):
    """A move of a task from one status to another: who made it, when, and why."""

    __tablename__ = "task_moves"

    id: Mapped[int] = mapped_column(BigId, Identity(always=True), primary_key=True)
    task_id: Mapped[int] = mapped_column(BigId, ForeignKey("tasks.id"), index=True)
    move: Mapped[str] = mapped_column(Text)
    from_status: Mapped[str] = mapped_column(Text)
    to_status: Mapped[str] = mapped_column(Text)
    by: Mapped[str | None] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class TaskCountRow(Table):
    """How many tasks of a pipeline have each status, and how many claims there have ever been.

    Every transaction that makes or moves tasks changes the counts with them. A pipeline's numbers
    are the sums over its slots, of which each connection changes one, so that few wait for another;
    in one slot a number may be negative.
    """

    __tablename__ = "task_counts"

    pipeline_id: Mapped[int] = mapped_column(BigId, ForeignKey("pipelines.id"), primary_key=True)
    slot: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    pending: Mapped[int] = mapped_column(BigInteger, default=0)
    in_progress: Mapped[int] = mapped_column(BigInteger, default=0)
    paused: Mapped[int] = mapped_column(BigInteger, default=0)
    finished: Mapped[int] = mapped_column(BigInteger, default=0)
    escalated: Mapped[int] = mapped_column(BigInteger, default=0)
    quarantined: Mapped[int] = mapped_column(BigInteger, default=0)
    failed: Mapped[int] = mapped_column(BigInteger, default=0)
    claims: Mapped[int] = mapped_column(BigInteger, default=0)


class AnnouncementRow(Table):
    """What Prefect has been told of a pipeline: how many claims, and how many finished tasks.

    What the counts say beyond that is still to be announced, so that the counts are the outbox.
    ``completed`` is the number of finished tasks when the pipeline was last said to be finished.
    ``leased_until`` keeps two relays from telling the same at the same time.
    """

    __tablename__ = "announcements"

    pipeline_id: Mapped[int] = mapped_column(BigId, ForeignKey("pipelines.id"), primary_key=True)
    claims: Mapped[int] = mapped_column(BigInteger, default=0)
    finished: Mapped[int] = mapped_column(BigInteger, default=0)
    completed: Mapped[int] = mapped_column(BigInteger, default=0)
    announced_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    leased_until: Mapped[datetime | None] = mapped_column(UtcDateTime)


class StreamRow(Table):
    """What flows from one source into one pipeline: each row or task of the source once.

    ``source`` is ``dataset:<id>`` or ``pipeline:<id>``. A new ``generation`` starts all over.
    """

    __tablename__ = "streams"
    __table_args__ = (UniqueConstraint("pipeline_id", "source", "generation"),)

    id: Mapped[int] = mapped_column(BigId, Identity(always=True), primary_key=True)
    pipeline_id: Mapped[int] = mapped_column(BigId, ForeignKey("pipelines.id"))
    source: Mapped[str] = mapped_column(Text)
    generation: Mapped[int] = mapped_column(Integer)


class ChainRow(Table):
    """A chain: what finishes in the source is seeded into the target, on ``trigger``.

    ``plan_sha256`` is what the tasks that wait were last tried with: where it has become another,
    those that did not fit are tried again. ``automation_enabled`` is how the automation was last
    seen, so that a change of it in Prefect's UI is told from one that was made here.
    """

    __tablename__ = "chains"
    __table_args__ = (
        UniqueConstraint("source_pipeline_id", "target_pipeline_id", "trigger"),
        CheckConstraint("source_pipeline_id <> target_pipeline_id", name="two_pipelines"),
        CheckConstraint(
            f'"trigger" IN ({", ".join(repr(trigger.value) for trigger in Trigger)})',
            name="trigger",
        ),
    )

    id: Mapped[int] = mapped_column(BigId, Identity(always=True), primary_key=True)
    organization_id: Mapped[int] = mapped_column(BigId, ForeignKey("organizations.id"), index=True)
    source_pipeline_id: Mapped[int] = mapped_column(BigId, ForeignKey("pipelines.id"))
    target_pipeline_id: Mapped[int] = mapped_column(BigId, ForeignKey("pipelines.id"))
    trigger: Mapped[str] = mapped_column("trigger", Text, quote=True)
    mapping: Mapped[dict[str, str]] = mapped_column(JSON)
    skip: Mapped[list[str]] = mapped_column(JSON)
    columns: Mapped[list[dict[str, str]]] = mapped_column(JSON)
    plan_sha256: Mapped[str | None] = mapped_column(Text)
    is_paused: Mapped[bool] = mapped_column(default=False)
    automation_id: Mapped[str | None] = mapped_column(Text)
    automation_enabled: Mapped[bool | None]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    looked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    fired_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    failed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    error_code: Mapped[str | None] = mapped_column(Text)
    error_message: Mapped[str | None] = mapped_column(Text)


class ChainInboxRow(Table):
    """A finished task that waits for a chain; with an error, it did not fit when last tried.

    It is put here by the statement that finishes the task, and taken away by the transaction that
    makes the target's task. It has no key to the chain: that would lock the chain's row for each
    task; who deletes a chain keeps tasks from being finished meanwhile instead.
    """

    __tablename__ = "chain_inbox"

    chain_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    task_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("tasks.id"), primary_key=True, autoincrement=False
    )
    finished_at: Mapped[datetime] = mapped_column(UtcDateTime)
    tried_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    error_code: Mapped[str | None] = mapped_column(Text)
    error_message: Mapped[str | None] = mapped_column(Text)


class DatasetRow(Table):
    """A dataset of the Data Vault; its rows are those of the versions from ``base_version`` on."""

    __tablename__ = "datasets"
    __table_args__ = (UniqueConstraint("organization_id", "name"),)

    id: Mapped[int] = mapped_column(BigId, Identity(always=True), primary_key=True)
    organization_id: Mapped[int] = mapped_column(BigId, ForeignKey("organizations.id"))
    name: Mapped[str] = mapped_column(Text)
    columns: Mapped[list[dict[str, str]]] = mapped_column(JSON)
    version: Mapped[int] = mapped_column(Integer)
    base_version: Mapped[int] = mapped_column(Integer)
    row_count: Mapped[int] = mapped_column(BigInteger)


class DatasetQueryRow(Table):
    """Where a dataset's rows are read from, when that is another database.

    ``connection`` is a database URL without a password, or ``secret:<block>``. ``key_columns``
    tell rows apart; without any, their whole content does.
    """

    __tablename__ = "dataset_queries"

    dataset_id: Mapped[int] = mapped_column(BigId, ForeignKey("datasets.id"), primary_key=True)
    connection: Mapped[str] = mapped_column(Text)
    query: Mapped[str] = mapped_column(Text)
    key_columns: Mapped[list[str]] = mapped_column(JSON)


class SavedMappingRow(Table):
    """A version of a mapping into a pipeline, with the columns of the source it was made for."""

    __tablename__ = "saved_mappings"
    __table_args__ = (UniqueConstraint("pipeline_id", "name", "version"),)

    id: Mapped[int] = mapped_column(BigId, Identity(always=True), primary_key=True)
    pipeline_id: Mapped[int] = mapped_column(BigId, ForeignKey("pipelines.id"))
    name: Mapped[str] = mapped_column(Text)
    version: Mapped[int] = mapped_column(Integer)
    source: Mapped[str] = mapped_column(Text)
    columns: Mapped[list[dict[str, str]]] = mapped_column(JSON)
    mapping: Mapped[dict[str, str]] = mapped_column(JSON)
    skip: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class DatasetVersionRow(Table):
    """One import into a dataset."""

    __tablename__ = "dataset_versions"

    dataset_id: Mapped[int] = mapped_column(BigId, ForeignKey("datasets.id"), primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    source: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(Text)
    imported_at: Mapped[datetime] = mapped_column(UtcDateTime)
    row_count: Mapped[int] = mapped_column(BigInteger)


class DatasetItemRow(Table):
    """A row of a dataset, as a JSON object; ``row`` is its place in the import's file.

    What is read from another database has a ``key`` too, once in the dataset.
    """

    __tablename__ = "dataset_rows"
    __table_args__ = (
        UniqueConstraint("dataset_id", "version", "row"),
        Index(
            "uq_dataset_rows_dataset_id_key",
            "dataset_id",
            "key",
            unique=True,
            postgresql_where=text("key IS NOT NULL"),
            sqlite_where=text("key IS NOT NULL"),
        ),
        ForeignKeyConstraint(
            ["dataset_id", "version"], ["dataset_versions.dataset_id", "dataset_versions.version"]
        ),
    )

    id: Mapped[int] = mapped_column(BigId, Identity(always=True), primary_key=True)
    dataset_id: Mapped[int] = mapped_column(BigId)
    version: Mapped[int] = mapped_column(Integer)
    row: Mapped[int] = mapped_column(BigInteger)
    value: Mapped[str] = mapped_column(JsonText)
    key: Mapped[str | None] = mapped_column(Text)


class SeedingRunRow(Table):
    """The report of a run, committed with the tasks it made, so that a retry finds it."""

    __tablename__ = "seeding_runs"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    pipeline_id: Mapped[int] = mapped_column(BigId, ForeignKey("pipelines.id"))
    group_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("task_groups.id"))
    finished_at: Mapped[datetime] = mapped_column(UtcDateTime)
    report: Mapped[dict[str, Any]] = mapped_column(JSON)


class StoredFileRow(Table):
    """A file in the storage, whether any task has it or not.

    The row is there before the file is and goes after it. ``touched_at`` says when a load last
    wanted the file; None: a clean-up is about to remove it.
    """

    __tablename__ = "stored_files"

    uri: Mapped[str] = mapped_column(Text, primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)
    touched_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class GroupFileRow(Table):
    """A file that tasks of a group have; it stays for as long."""

    __tablename__ = "group_files"

    group_id: Mapped[int] = mapped_column(BigId, ForeignKey("task_groups.id"), primary_key=True)
    uri: Mapped[str] = mapped_column(
        Text, ForeignKey("stored_files.uri", ondelete="RESTRICT"), primary_key=True, index=True
    )


class ApiKeyRow(Table):
    """A key of the External API: its SHA-256, never itself."""

    __tablename__ = "api_keys"
    __table_args__ = (UniqueConstraint("sha256"),)

    id: Mapped[int] = mapped_column(BigId, Identity(always=True), primary_key=True)
    organization_id: Mapped[int] = mapped_column(BigId, ForeignKey("organizations.id"))
    name: Mapped[str] = mapped_column(Text)
    prefix: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class IdempotentAnswerRow(Table):
    """The answer to a call that named an idempotency key, committed with what the call made."""

    __tablename__ = "idempotent_answers"

    organization_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("organizations.id"), primary_key=True
    )
    key: Mapped[str] = mapped_column(Text, primary_key=True)
    request_sha256: Mapped[str] = mapped_column(Text)
    status: Mapped[int] = mapped_column(Integer)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class UploadRow(Table):
    """A file that comes through the External API, from the promise of a URL to its report.

    The seeding that it starts has its id as the run's id, so that it happens once and leaves one
    report. ``leased_until`` says how long who works on it is believed to live; ``flow_run_id`` is
    Prefect's, if it runs there. With ``removed_at`` the file is no longer there.
    """

    __tablename__ = "uploads"
    __table_args__ = (
        Index(
            "ix_uploads_status",
            "status",
            postgresql_where=text("removed_at IS NULL"),
            sqlite_where=text("removed_at IS NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    pipeline_id: Mapped[int] = mapped_column(BigId, ForeignKey("pipelines.id"))
    name: Mapped[str] = mapped_column(Text)
    uri: Mapped[str] = mapped_column(Text)
    on_error: Mapped[str] = mapped_column(Text)
    declared_bytes: Mapped[int | None] = mapped_column(BigInteger)
    token_sha256: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    kind: Mapped[str | None] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    flow_run_id: Mapped[str | None] = mapped_column(Text)
    leased_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    done_bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    total_bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    message: Mapped[str | None] = mapped_column(Text)
    removed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class InfiniteSeedingRow(Table):
    """What infinite seeding keeps a pipeline at; its row is locked while tasks are made.

    ``copied_groups`` are ``[id, tasks]`` of the groups whose values are copied, ``source_count``
    all their tasks, and ``fields_sha256`` the dataset fields that these values are for. The tasks
    go into the group, row by row. With ``error_code`` no more are made.
    """

    __tablename__ = "infinite_seedings"
    __table_args__ = (CheckConstraint("keep_available > 0", name="keep_available"),)

    pipeline_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("pipelines.id"), primary_key=True, autoincrement=False
    )
    is_enabled: Mapped[bool]
    keep_available: Mapped[int] = mapped_column(BigInteger)
    target: Mapped[int | None] = mapped_column(BigInteger)
    group_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("task_groups.id"))
    copied_groups: Mapped[list[list[int]]] = mapped_column(JSON)
    source_count: Mapped[int] = mapped_column(BigInteger)
    fields_sha256: Mapped[str] = mapped_column(Text)
    enabled_at: Mapped[datetime] = mapped_column(UtcDateTime)
    reached_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    reached_told: Mapped[bool]
    error_code: Mapped[str | None] = mapped_column(Text)
    error_message: Mapped[str | None] = mapped_column(Text)


class InfiniteSourceRow(Table):
    """A task whose values are copied, its place in the round, and the hash of the values then."""

    __tablename__ = "infinite_sources"

    pipeline_id: Mapped[int] = mapped_column(
        BigId,
        ForeignKey("infinite_seedings.pipeline_id"),
        primary_key=True,
        autoincrement=False,
    )
    position: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    task_id: Mapped[int] = mapped_column(BigId)
    sha256: Mapped[str] = mapped_column(Text)


class SensorRow(Table):
    """Who watches for all others, when it was last seen, and what it has done in the last hour."""

    __tablename__ = "sensors"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    holder: Mapped[str] = mapped_column(Text)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    history: Mapped[list[list[int]]] = mapped_column(JSON)
