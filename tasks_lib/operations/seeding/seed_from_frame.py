"""Seed a pipeline from rows that a Python program holds: each row becomes one task, once."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import ClassVar, NamedTuple

from sqlalchemy.orm import Session

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.fields import Field
from tasks_lib.domain.intake_rules import why_no_csv
from tasks_lib.domain.limits import Limits
from tasks_lib.domain.names import check_source, check_storable
from tasks_lib.domain.naming import NamedRequest
from tasks_lib.domain.progress import OnProgress
from tasks_lib.domain.rows.tolerance import Tolerance
from tasks_lib.domain.statuses import OnError, SeedKind
from tasks_lib.errors import Problem, SourceProblemError
from tasks_lib.intake.frames.frame_cells import FrameCells
from tasks_lib.intake.frames.frame_intake import open_cells, read_frame
from tasks_lib.intake.frames.open_frame import Frame
from tasks_lib.intake.rows.checked_rows import CheckKeys
from tasks_lib.intake.rows.row_intake import RowIntake
from tasks_lib.operations.seeding.content import ContentRowSource
from tasks_lib.operations.seeding.loading import SeededMeanwhileError, load_rows
from tasks_lib.operations.seeding.reports import Seeded, seed
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store.groups import task_groups
from tasks_lib.store.groups.task_groups import EnsuredGroup
from tasks_lib.transport.temporary import temporary_folder


@dataclass(frozen=True, kw_only=True)
class FrameRequest(NamedRequest):
    """Which pipeline to seed from rows, and how to treat bad and missing ones.

    ``source`` names the rows in reports; the other members are those of a ``CsvRequest``.
    """

    pipeline: str
    source: str
    on_error: OnError = OnError.REJECT_FILE
    max_rejected: str = ""
    dry_run: bool = False
    allow_duplicate: bool = False
    full: bool = False
    allow_shrink: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_storable(self.pipeline, self.source)
        check_source(self.source)
        Tolerance.parse(self.on_error, self.max_rejected)

    @property
    def tolerance(self) -> Tolerance:
        """How many bad rows are skipped before all of them are rejected."""
        return Tolerance.parse(self.on_error, self.max_rejected)


class FrameContent(NamedTuple):
    """The cells of a frame, and the fields for which their values were written."""

    fields: tuple[Field, ...]
    cells: FrameCells


@dataclass
class FrameRows(ContentRowSource):
    """The cells of a frame as a source of tasks.

    To hash them before they are loaded takes time, so their group is given its key at the end,
    unless the pipeline has a group that may hold them already.
    """

    kind: ClassVar[SeedKind] = SeedKind.FRAME
    frame: FrameContent
    request: FrameRequest
    limits: Limits
    _find_key: Callable[[], str] | None = None
    _is_held: bool = False

    @property
    def content(self) -> str:
        """The hash of the cells."""
        return f"frame:sha256:{self.frame.cells.sha256}"

    def check(self, pipeline: Pipeline) -> None:
        """Raise SourceProblemError unless the pipeline takes the tasks and is as it was before."""
        _check_takes_rows(pipeline)
        if pipeline.dataset_fields != self.frame.fields:
            message = f"pipeline {pipeline.path} was given other fields meanwhile; seed it again"
            raise SourceProblemError(Problem("pipeline_changed", message))

    def ensure_group(
        self, session: Session, pipeline: Pipeline, run_id: str, at: datetime
    ) -> EnsuredGroup:
        """Create the group, or return the one that holds the content or this run's tasks.

        A flow that runs again may hold other rows, such as new predictions; its tasks exist.
        """
        group = task_groups.lock_run(session, run_id, pipeline.id, at=at)
        if group is not None:
            return EnsuredGroup(group.id, is_new=False, task_count=group.created_count)
        self._find_key = None
        if self._seems_new(session, pipeline):
            self._find_key = partial(self.seed_key, pipeline, run_id)
            return self.ensure_group_of(session, pipeline, f"frame:run:{run_id}", at)
        return super().ensure_group(session, pipeline, run_id, at)

    def _seems_new(self, session: Session, pipeline: Pipeline) -> bool:
        """Return False if the content is known, or a group was made of as many rows."""
        cells = self.frame.cells
        if cells.is_hashed or pipeline.key or self._is_held:
            return False
        return not task_groups.has_group_of_rows(session, pipeline.id, self.kind, cells.rows)

    def record(self, session: Session, group_id: int) -> None:
        """Give the group the key of its content; raise SeededMeanwhileError if another has it."""
        if self._find_key is None:
            return
        if not task_groups.replace_seed_key(session, group_id, self._find_key()):
            self._is_held = True
            raise SeededMeanwhileError("the same content has been seeded meanwhile")

    def open(
        self, pipeline: Pipeline, on_progress: OnProgress, check_keys: CheckKeys | None = None
    ) -> RowIntake:
        """Start to read the rows."""
        return open_cells(
            self.frame.cells,
            pipeline.dataset_fields,
            self.limits,
            on_progress=on_progress,
            check_keys=check_keys,
        )


def seed_from_frame(
    workspace: Workspace,
    request: FrameRequest,
    frame: Frame,
    *,
    run_id: str,
    on_progress: OnProgress = lambda _: None,
) -> Seeded:
    """Create the tasks of a frame, or return the report of the rejection.

    Idempotent for a ``run_id``: if the run has created tasks before, the frame is not read. Raises
    NotFoundError for the pipeline, and UnavailableError.
    """

    def load(pipeline: Pipeline) -> Seeded:
        earlier = find_earlier(workspace, pipeline, request, run_id)
        if earlier is not None:
            return earlier
        with temporary_folder() as folder:
            content = read_content(workspace, pipeline, frame, folder)
            return load_content(
                workspace, pipeline, request, content, run_id=run_id, on_progress=on_progress
            )

    return seed(workspace, request, load, run_id=run_id)


def find_earlier(
    workspace: Workspace, pipeline: Pipeline, request: FrameRequest, run_id: str
) -> Seeded | None:
    """Return what the run has seeded before, or None."""
    with workspace.store.read() as session:
        report = task_groups.find_report(session, run_id)
    if report is None or report.group_id is None or request.dry_run:
        return None
    return Seeded(pipeline, report)


def read_content(
    workspace: Workspace, pipeline: Pipeline, frame: Frame, folder: Path
) -> FrameContent:
    """Return the cells of a frame for the pipeline's fields; raise SourceProblemError.

    A frame that can be read only once is copied into the folder.
    """
    _check_takes_rows(pipeline)
    fields = pipeline.dataset_fields
    return FrameContent(fields, read_frame(frame, fields, workspace.limits, folder / "cells"))


def load_content(
    workspace: Workspace,
    pipeline: Pipeline,
    request: FrameRequest,
    content: FrameContent,
    *,
    run_id: str,
    on_progress: OnProgress = lambda _: None,
) -> Seeded:
    """Check the rows of a frame and create their tasks; see ``load_rows`` for its errors."""
    rows = FrameRows(content, request, workspace.limits)
    return load_rows(workspace, pipeline, request, rows, run_id=run_id, on_progress=on_progress)


def _check_takes_rows(pipeline: Pipeline) -> None:
    refusal = why_no_csv(pipeline)
    if refusal is not None:
        raise SourceProblemError(refusal)
