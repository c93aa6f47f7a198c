"""Fill a group with tasks from the finished tasks that wait for a chain.

Values that only have to be copied are copied inside the database, see ``store.chains.copying``.
Others are read, mapped and checked here, with the same result.
"""

import sys
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final, NamedTuple

from sqlalchemy.orm import Session

from tasks_lib.domain.chains import Trigger
from tasks_lib.domain.mapping.compile import compile_plan
from tasks_lib.domain.mapping.copied_fields import CopiedField
from tasks_lib.domain.mapping.path_budget import Timing
from tasks_lib.domain.report import MAX_INLINE_ERRORS, Report, ReportError
from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.errors import Problem
from tasks_lib.intake.rows.blocks import CheckedBlock
from tasks_lib.intake.rows.mapped_rows import StoredRow, StoredRows, open_mapped
from tasks_lib.intake.rows.row_intake import RowBatch
from tasks_lib.operations.chains.locked import LockedChain
from tasks_lib.operations.seeding.counting import count_created
from tasks_lib.operations.seeding.writing import Written, write_tasks
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store.chains import chain_inbox
from tasks_lib.store.chains.copying import copy_waiting
from tasks_lib.store.groups.task_groups import EnsuredGroup
from tasks_lib.store.tasks.insert import NewTasks
from tasks_lib.store.tasks.rows import stream_task_rows

TASKS_AT_ONCE: Final = 20_000
"""How many tasks are read at once, and created in one transaction if a chain fires on each task."""

_COPIED_AT_ONCE: Final = 5_000
_COPIED_FIRST: Final = 100
_COPIED_BYTES: Final = 4 * 2**20
"""How large the values may be that a statement copies, judged by those of the one before: the
server holds all of them.
"""

PATH_SECONDS: Final = 30.0
"""How long a JSONPath of a chain may take for so many tasks: other chains wait meanwhile."""


class _Part(NamedTuple):
    """Tasks that waited: how many there were, the last id, and what became of them."""

    rows: int
    last_id: int
    is_last: bool
    written: Written
    misfits: list[Problem]


def fill_group(
    workspace: Workspace,
    session: Session,
    chain: LockedChain,
    group: EnsuredGroup,
    stream_id: int,
    at: datetime,
    source_group: int | None,
) -> Report:
    """Create the next tasks: with ``task-completion`` some, otherwise all.

    With ``group-completion`` these are all that wait of the ``source_group``.
    """
    filling = _Filling(workspace, session, chain, group, stream_id, at, source_group, _COPIED_FIRST)
    fires_on_each_task = chain.stored.trigger is Trigger.TASK_COMPLETION
    rows, rejected = 0, 0
    total = Written(0)
    errors: list[Problem] = []
    after = 0
    while True:
        limit = TASKS_AT_ONCE - rows if fires_on_each_task else TASKS_AT_ONCE
        part = filling.copy(after, limit) or filling.read(after, limit)
        rows, after = rows + part.rows, part.last_id
        total = _add(total, part.written)
        rejected += len(part.misfits)
        errors = (errors + part.misfits)[:MAX_INLINE_ERRORS]
        if part.is_last or (fires_on_each_task and rows >= TASKS_AT_ONCE):
            break
    return Report(
        group_id=group.group_id if total.has_changed else None,
        pipeline_id=chain.target.id,
        created=total.created,
        rejected=rejected,
        already_seeded=total.already_seeded,
        changed=total.changed,
        updated=total.updated,
        source=chain.source.path,
        errors=tuple(map(ReportError.of, errors)),
    )


@dataclass
class _Filling:
    """Creates tasks of one group in the session's transaction, in two ways."""

    workspace: Workspace
    session: Session
    chain: LockedChain
    group: EnsuredGroup
    stream_id: int
    at: datetime
    source_group: int | None
    copied_at_once: int

    @cached_property
    def copied_fields(self) -> tuple[CopiedField, ...] | None:
        """How to copy the source's values; None if they must be read."""
        return self.chain.copied_fields

    def copy(self, after: int, limit: int) -> _Part | None:
        """Create up to ``limit`` tasks inside the database; return None if rows must be read."""
        if self.copied_fields is None:
            return None
        target = self.chain.target
        limit = min(limit, self.copied_at_once)
        copied = copy_waiting(
            self.session,
            self.copied_fields,
            chain_id=self.chain.stored.id,
            source_id=self.chain.source.id,
            target_id=target.id,
            group_id=self.group.group_id,
            stream_id=self.stream_id,
            source_group=self.source_group,
            after=after,
            limit=limit,
        )
        if copied is None or not copied.is_complete:
            return None
        if copied.created:
            count_created(self.session, target, self.group, copied.created)
            fitting = _COPIED_BYTES * copied.created // max(copied.size, 1)
            self.copied_at_once = min(max(fitting, 1), _COPIED_AT_ONCE)
        is_last = copied.due < limit
        return _Part(copied.due, copied.last_id, is_last, Written(copied.created), [])

    def read(self, after: int, limit: int) -> _Part:
        """Read, check and create up to ``limit`` tasks, and record why others do not fit."""
        chain = self.chain
        with self.workspace.store.read() as reading:
            batches = stream_task_rows(
                reading,
                chain.source.id,
                status=TaskStatus.FINISHED,
                unless_in_stream=self.stream_id,
                waiting_for_chain=chain.stored.id,
                group_id=self.source_group,
                after=after,
                limit=limit,
            )
            counted = _CountedBatches(batches, after)
            rows = StoredRows(0, iter(counted), chain.rows.parse)
            misfits = _Misfits()
            with (
                closing(batches),
                open_mapped(
                    rows,
                    compile_plan(chain.plan, Timing(time.thread_time, PATH_SECONDS)),
                    self.workspace.limits._replace(max_errors=sys.maxsize),
                    on_block=misfits.add,
                ) as intake,
            ):
                passed = _Passed(intake.batches())
                written = write_tasks(
                    self.session, chain.target, self.group, passed, at=self.at, is_short=True
                )
        chain_inbox.remove(self.session, chain.stored.id, passed.origins)
        chain_inbox.mark_misfits(self.session, chain.stored.id, misfits.problems, self.at)
        is_last = counted.rows < limit
        return _Part(counted.rows, counted.last_id, is_last, written, misfits.problems)


class _Passed:
    """Batches of new tasks that remember, as they pass, which tasks they come from."""

    def __init__(self, batches: Iterator[RowBatch]) -> None:
        self.origins: list[int] = []
        self._batches = batches

    def __iter__(self) -> Iterator[NewTasks]:
        for batch in self._batches:
            if batch.origins is not None:
                self.origins += batch.origins.to_pylist()
            yield NewTasks(*batch)


class _Misfits:
    """Collects the first problem of each bad row."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def add(self, block: CheckedBlock) -> None:
        self.problems += [bad.problems[0]._replace(row=bad.row) for bad in block.bad]


class _CountedBatches:
    """Batches that count their rows as they pass, and remember the id of the last one."""

    def __init__(self, batches: Generator[list[StoredRow]], last_id: int) -> None:
        self.rows = 0
        self.last_id = last_id
        self._batches = batches

    def __iter__(self) -> Iterator[list[StoredRow]]:
        for batch in self._batches:
            self.rows += len(batch)
            self.last_id = batch[-1][0]
            yield batch


def _add(total: Written, part: Written) -> Written:
    """Return the sum of what two parts have written; chains withdraw nothing."""
    return Written(
        total.created + part.created,
        total.already_seeded + part.already_seeded,
        total.changed + part.changed,
        total.updated + part.updated,
        returned=total.returned + part.returned,
    )
