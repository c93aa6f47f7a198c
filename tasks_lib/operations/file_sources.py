"""What seeding from a CSV and from a ZIP have in common: how they are asked, and what "once" means.

A file's content goes into a pipeline once, whatever the file is called.
"""

from abc import abstractmethod
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from sqlalchemy.orm import Session

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.names import is_storable
from tasks_lib.domain.statuses import OnError
from tasks_lib.errors import UsageError
from tasks_lib.intake.row_intake import RowIntake
from tasks_lib.store import task_groups
from tasks_lib.store.tables import TaskGroupRow
from tasks_lib.store.task_groups import GroupClaim


def delimiter_of(text: str) -> str:
    """Return the character that ``text`` names: itself, or ``tab``; raise UsageError."""
    delimiter = {"tab": "\t", "\\t": "\t"}.get(text, text)
    if len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n\0':
        raise UsageError(
            f"the delimiter {text!r} must be one ASCII character other than a quote "
            "or a line break, or the word tab"
        )
    return delimiter


@dataclass(frozen=True)
class CsvRequest:
    """Which file to seed from, how its CSV is written, and how to take bad rows.

    An empty ``encoding`` means UTF-8, or what the CSV's byte order mark says; ``delimiter`` may be
    the word tab.
    """

    pipeline: str
    source: str
    on_error: OnError = OnError.REJECT_FILE
    dry_run: bool = False
    allow_duplicate: bool = False
    encoding: str = ""
    delimiter: str = ","

    def __post_init__(self) -> None:
        for name in (self.pipeline, self.source):
            if not is_storable(name):
                raise UsageError(f"{name!r} holds a NUL character or bytes that are not UTF-8")
        object.__setattr__(self, "delimiter", delimiter_of(self.delimiter))

    @property
    def is_strict(self) -> bool:
        """Whether one bad row turns the whole file away."""
        return self.on_error is OnError.REJECT_FILE


class FileRows:
    """The rows of a file, as a source of tasks; the kinds of files say the rest."""

    kind: ClassVar[str]
    request: CsvRequest

    @property
    def is_hopeless(self) -> bool:
        """Whether rows are known to be bad, and are read only to be reported."""
        return False

    @property
    @abstractmethod
    def content(self) -> str:
        """What names the content that may be seeded once."""

    def find(self, session: Session, pipeline: Pipeline) -> TaskGroupRow | None:
        """Return the group that holds the content, or None."""
        if self.request.allow_duplicate:
            return None
        return task_groups.find_group(session, pipeline.id, self.content)

    def claim(self, session: Session, pipeline: Pipeline, run_id: str, at: datetime) -> GroupClaim:
        """Make the group for the content; with ``allow_duplicate``, for this run of it."""
        run = f" run:{run_id}" if self.request.allow_duplicate else ""
        return task_groups.claim_group(
            session,
            pipeline_id=pipeline.id,
            kind=self.kind,
            seed_key=f"{self.content}{run}",
            source=self.request.source,
            at=at,
        )

    def already_seeded(self, intake: RowIntake) -> int:  # noqa: ARG002
        """Return 0: a file is new as a whole, or not at all."""
        return 0

    def record(self, session: Session, group_id: int) -> None:
        """Do nothing: the tasks hold all of it."""
