"""The request of an import into a dataset, and the report of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pydantic import BaseModel, ConfigDict

from tasks_lib.domain.fields import check_requested_name
from tasks_lib.domain.names import check_source, check_storable, counted, other_problems
from tasks_lib.domain.report import ReportError, problems_of
from tasks_lib.domain.rows.dialects import Quote, delimiter_of
from tasks_lib.domain.rows.tolerance import Tolerance
from tasks_lib.domain.statuses import OnError
from tasks_lib.errors import RejectedError, UsageError
from tasks_lib.intake.datasets.file_formats import FileFormat

RESULTS: Final = "results://"
"""How a source begins that is a pipeline's results; the pipeline follows."""


class ImportMode(StrEnum):
    """How to treat the rows that the dataset already has."""

    CREATE = "create"
    APPEND = "append"
    REPLACE = "replace"


@dataclass(frozen=True, kw_only=True)
class ImportRequest:
    """A source to import into a dataset.

    With ``key``, columns that identify a row, the rows are upserted. A ``full`` source has all
    rows: those that it lacks are removed, more than half of them only with ``allow_shrink``.
    ``max_rejected`` is the most bad rows to skip, as ``N`` or ``P%``; empty means any number. The
    fields from ``format`` on are those of ``ForeignSource``.
    """

    organization: str
    name: str
    source: str
    mode: ImportMode = ImportMode.CREATE
    key: tuple[str, ...] = ()
    full: bool = False
    allow_shrink: bool = False
    on_error: OnError = OnError.REJECT_FILE
    max_rejected: str = ""
    format: FileFormat | None = None
    encoding: str = ""
    delimiter: str = ","
    quote: Quote = Quote.DOUBLE
    columns: tuple[str, ...] = ()
    records: str = ""
    nan_as_null: bool = False
    sheet: str = ""

    def __post_init__(self) -> None:
        check_storable(self.source, self.records, self.sheet, *self.columns, *self.key)
        check_source(self.source)
        check_dataset_name(self.name)
        Tolerance.parse(self.on_error, self.max_rejected)
        if self.key and self.mode is not ImportMode.CREATE:
            raise UsageError(f"key and {self.mode.value} exclude each other; leave one of them out")
        if self.full and not self.key:
            raise UsageError("full needs a key, which identifies the rows; give one, such as id")
        check_key_columns(self.key)
        object.__setattr__(self, "delimiter", delimiter_of(self.delimiter))

    @staticmethod
    def mode_of(*, append: bool, replace: bool) -> ImportMode:
        """Return the mode for two switches; raise UsageError if both are on."""
        if append and replace:
            raise UsageError("append and replace exclude each other; leave one of them out")
        if append:
            return ImportMode.APPEND
        return ImportMode.REPLACE if replace else ImportMode.CREATE

    @property
    def tolerance(self) -> Tolerance:
        """How many bad rows are skipped before the whole source is rejected."""
        return Tolerance.parse(self.on_error, self.max_rejected)


class ImportReport(BaseModel):
    """The result of an import; without a ``version``, nothing was imported.

    Of the rows, ``imported`` are new, ``changed`` have other values than before, and
    ``already_imported`` the same. ``removed`` rows of the dataset are missing from a full source.
    ``rejects_uri`` is the file of all rejected rows.
    """

    model_config = ConfigDict(frozen=True)

    dataset: str
    version: int | None = None
    imported: int = 0
    changed: int = 0
    already_imported: int = 0
    removed: int = 0
    rejected: int = 0
    source: str
    rejects_uri: str | None = None
    errors: tuple[ReportError, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def is_rejection(self) -> bool:
        """Whether the source was rejected."""
        return self.version is None

    @property
    def sentence(self) -> str:
        """The result in one sentence."""
        if self.is_rejection:
            more = other_problems(len(self.errors) - 1)
            sentence = f"Nothing was imported into {self.dataset}: {self.errors[0]}{more}"
            return sentence if sentence.endswith((".", "?")) else f"{sentence}."
        rejected = f" {counted(self.rejected, 'row')} rejected." if self.rejected else ""
        place = f"version {self.version} of {self.dataset}"
        if not (self.imported or self.changed or self.removed):
            rows = counted(self.already_imported, "row")
            end = f"holds these {rows} already; nothing was imported.{rejected}"
            return f"{place[:1].upper()}{place[1:]} {end}"
        parts = [f"{self.changed:,} changed"] if self.changed else []
        if self.removed:
            parts.append(f"{self.removed:,} removed")
        if self.already_imported:
            parts.append(f"{self.already_imported:,} as before")
        rest = f": {', '.join(parts)}" if parts else ""
        rows = counted(self.imported, "new row" if parts else "row")
        return f"Imported {rows} as {place}{rest}.{rejected}"


class ImportRejectedError(RejectedError):
    """A source was rejected; ``report`` says why, row by row."""

    code = "import_rejected"

    def __init__(self, report: ImportReport) -> None:
        super().__init__(report.sentence, problems=problems_of(report.errors))
        self.report = report


def check_dataset_name(name: str) -> None:
    """Raise UsageError unless a dataset can have this name."""
    check_requested_name(name, "dataset")
    if "/" in name:
        raise UsageError(f"dataset name {name!r} holds a slash, as paths of pipelines do")


def check_key_columns(key_columns: Sequence[str]) -> None:
    """Raise UsageError if a key names a column twice."""
    if len(set(key_columns)) < len(key_columns):
        raise UsageError("the key names a column twice")
