"""The common part of seeding from files: their request, and how a repetition is recognized.

The content of a file is seeded into a pipeline once, regardless of its name.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from sqlalchemy.orm import Session

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.names import check_source, check_storable
from tasks_lib.domain.naming import NamedRequest
from tasks_lib.domain.rows.dialects import Dialect, Quote, delimiter_of
from tasks_lib.domain.rows.keys import OnChange, OnMissing
from tasks_lib.domain.rows.tolerance import Tolerance
from tasks_lib.domain.statuses import OnError, SeedKind
from tasks_lib.intake.csv_files.encodings import canonical_encoding
from tasks_lib.intake.rows.row_intake import RowIntake
from tasks_lib.operations.seeding.reports import Seeded
from tasks_lib.store import task_groups
from tasks_lib.store.task_groups import EnsuredGroup, StoredGroup


@dataclass(frozen=True, kw_only=True)
class CsvRequest(NamedRequest):
    """Which file to seed from, the dialect of its CSV, and how to treat bad rows.

    A ``full`` file holds all rows of its source: tasks whose rows are missing are treated as the
    pipeline's ``on_missing`` says, more than half of them only with ``allow_shrink``.
    ``max_rejected`` is the most bad rows to skip, as ``N`` or ``P%``; empty means any number. An
    empty ``encoding`` means UTF-8, or the encoding of the CSV's byte order mark; ``delimiter``
    may be the word tab.
    """

    pipeline: str
    source: str
    on_error: OnError = OnError.REJECT_FILE
    max_rejected: str = ""
    dry_run: bool = False
    allow_duplicate: bool = False
    full: bool = False
    allow_shrink: bool = False
    encoding: str = ""
    delimiter: str = ","
    quote: Quote = Quote.DOUBLE

    def __post_init__(self) -> None:
        super().__post_init__()
        check_storable(self.pipeline, self.source)
        check_source(self.source)
        Tolerance.parse(self.on_error, self.max_rejected)
        object.__setattr__(self, "delimiter", delimiter_of(self.delimiter))

    @property
    def dialect(self) -> Dialect:
        """How the CSV is written, as far as it was given."""
        return Dialect(self.delimiter, self.quote, self.encoding)

    @property
    def tolerance(self) -> Tolerance:
        """How many bad rows are skipped before the whole source is rejected."""
        return Tolerance.parse(self.on_error, self.max_rejected)


class FileRowSource(ABC):
    """The rows of a file as a source of tasks; a subclass reads one kind of file."""

    kind: ClassVar[SeedKind]
    request: CsvRequest

    @property
    def is_hopeless(self) -> bool:
        """Whether rows are known to be bad, so that they are read only for their problems."""
        return False

    @property
    @abstractmethod
    def content(self) -> str:
        """The identity of the content, which is seeded once."""

    def find(self, session: Session, pipeline: Pipeline) -> StoredGroup | None:
        """Return the group that holds the content, or None; raise as ``ensure_group``."""
        self._check_encoding()
        if self._is_read_again(pipeline):
            return None
        return task_groups.find_group(session, pipeline.id, self.content)

    def ensure_group(
        self, session: Session, pipeline: Pipeline, run_id: str, at: datetime
    ) -> EnsuredGroup:
        """Create the group of the content, or that of the content in this run.

        The latter is for ``allow_duplicate``, and for a pipeline in which changed or missing rows
        change tasks: an earlier file that arrives again is the newest one.

        Raises SourceProblemError for an unknown encoding: known content is not read, so that nobody
        else would notice it.
        """
        self._check_encoding()
        run = f" run:{run_id}" if self._is_read_again(pipeline) else ""
        return task_groups.ensure_group(
            session,
            pipeline_id=pipeline.id,
            kind=self.kind,
            seed_key=f"{self.content}{run}",
            source=self.request.source,
            at=at,
            naming=self.request.naming,
        )

    def _check_encoding(self) -> None:
        if self.request.encoding:
            canonical_encoding(self.request.encoding)

    def _is_read_again(self, pipeline: Pipeline) -> bool:
        may_change = pipeline.on_change is OnChange.UPDATE or (
            self.request.full and pipeline.on_missing is OnMissing.WITHDRAW
        )
        return self.request.allow_duplicate or may_change

    def already_seeded(self, intake: RowIntake) -> int:  # noqa: ARG002
        """Return 0: a file is new as a whole or not at all."""
        return 0

    @property
    def changed(self) -> int:
        """Return 0: the file of an earlier seeding has not changed."""
        return 0

    def record(self, session: Session, group_id: int) -> None:  # noqa: B027 - a default
        """Do nothing: the tasks refer to nothing else."""

    def describe(self, seeded: Seeded) -> Seeded:
        """Return the result as it is."""
        return seeded
