"""Recognize the content of a source: it is seeded into a pipeline once, regardless of its name."""

from abc import ABC, abstractmethod
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Protocol

from sqlalchemy.orm import Session

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.naming import Naming
from tasks_lib.domain.rows.keys import OnChange, OnMissing
from tasks_lib.domain.statuses import SeedKind
from tasks_lib.operations.seeding.reports import Seeded
from tasks_lib.store.groups import task_groups
from tasks_lib.store.groups.task_groups import EnsuredGroup, StoredGroup

if TYPE_CHECKING:  # loads Arrow
    from tasks_lib.intake.rows.row_intake import RowIntake


class ContentRequest(Protocol):
    """The members of a request that decide whether known content is read again."""

    @property
    def source(self) -> str:
        """The source's name."""
        ...

    @property
    def naming(self) -> Naming:
        """The name and the labels of the group."""
        ...

    @property
    def allow_duplicate(self) -> bool:
        """Whether to seed content that the pipeline was seeded with before."""
        ...

    @property
    def full(self) -> bool:
        """Whether the source is complete, so that tasks without a row are missing from it."""
        ...


class ContentRowSource(ABC):
    """Rows that are new as a whole or not at all; a subclass reads one kind of source."""

    kind: ClassVar[SeedKind]
    request: ContentRequest

    @property
    def is_hopeless(self) -> bool:
        """Whether rows are known to be bad, so that they are read only for their problems."""
        return False

    @property
    @abstractmethod
    def content(self) -> str:
        """The identity of the content, which is seeded once."""

    def find(self, session: Session, pipeline: Pipeline) -> StoredGroup | None:
        """Return the group that holds the content, or None."""
        if self._is_read_again(pipeline):
            return None
        return task_groups.find_group(session, pipeline.id, self.content)

    def ensure_group(
        self, session: Session, pipeline: Pipeline, run_id: str, at: datetime
    ) -> EnsuredGroup:
        """Create the group of the content, or that of the content in this run.

        The latter is for ``allow_duplicate``, and for a pipeline in which changed or missing rows
        change tasks: an earlier source that arrives again is the newest one.
        """
        return self.ensure_group_of(session, pipeline, self.seed_key(pipeline, run_id), at)

    def seed_key(self, pipeline: Pipeline, run_id: str) -> str:
        """Return what identifies the group of the content."""
        run = f" run:{run_id}" if self._is_read_again(pipeline) else ""
        return f"{self.content}{run}"

    def ensure_group_of(
        self, session: Session, pipeline: Pipeline, seed_key: str, at: datetime
    ) -> EnsuredGroup:
        """Create the group with this key, or return it."""
        return task_groups.ensure_group(
            session,
            pipeline_id=pipeline.id,
            kind=self.kind,
            seed_key=seed_key,
            source=self.request.source,
            at=at,
            naming=self.request.naming,
        )

    def _is_read_again(self, pipeline: Pipeline) -> bool:
        may_change = pipeline.on_change is OnChange.UPDATE or (
            self.request.full and pipeline.on_missing is OnMissing.WITHDRAW
        )
        return self.request.allow_duplicate or may_change

    def already_seeded(self, intake: "RowIntake") -> int:  # noqa: ARG002
        """Return 0: the content is new as a whole or not at all."""
        return 0

    @property
    def changed(self) -> int:
        """Return 0: the content of an earlier seeding has not changed."""
        return 0

    def record(self, session: Session, group_id: int) -> None:  # noqa: B027 - a default
        """Do nothing: the tasks refer to nothing else."""

    def describe(self, seeded: Seeded) -> Seeded:
        """Return the result as it is."""
        return seeded
