"""The common part of seeding from files: their request, and how a repetition is recognized."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.names import check_source, check_storable
from tasks_lib.domain.naming import NamedRequest
from tasks_lib.domain.rows.dialects import Dialect, Quote, delimiter_of
from tasks_lib.domain.rows.tolerance import Tolerance
from tasks_lib.domain.statuses import OnError
from tasks_lib.intake.csv_files.encodings import canonical_encoding
from tasks_lib.operations.seeding.content import ContentRowSource
from tasks_lib.store.groups.task_groups import EnsuredGroup, StoredGroup


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


class FileRowSource(ContentRowSource):
    """The rows of a file as a source of tasks; a subclass reads one kind of file."""

    request: CsvRequest

    def find(self, session: Session, pipeline: Pipeline) -> StoredGroup | None:
        """Return the group that holds the content, or None; raise as ``ensure_group``."""
        self._check_encoding()
        return super().find(session, pipeline)

    def ensure_group(
        self, session: Session, pipeline: Pipeline, run_id: str, at: datetime
    ) -> EnsuredGroup:
        """Create the group of the content; see ``ContentRowSource``.

        Raises SourceProblemError for an unknown encoding: known content is not read, so that nobody
        else would notice it.
        """
        self._check_encoding()
        return super().ensure_group(session, pipeline, run_id, at)

    def _check_encoding(self) -> None:
        if self.request.encoding:
            canonical_encoding(self.request.encoding)
