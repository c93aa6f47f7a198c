"""Import an external source into a dataset: all of its rows or none, each content once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import Session

from tasks_lib.domain.datasets import common_type
from tasks_lib.domain.fields import FieldType, check_requested_name
from tasks_lib.domain.mapping.conversions import Column
from tasks_lib.domain.mapping.drift import missing_columns
from tasks_lib.domain.names import check_source, check_storable, counted, other_problems
from tasks_lib.domain.progress import OnProgress
from tasks_lib.domain.report import ReportError, problems_of
from tasks_lib.domain.rows.dialects import Dialect, Quote, delimiter_of
from tasks_lib.domain.rows.headers import check_header
from tasks_lib.errors import RejectedError, SourceProblemError, UsageError
from tasks_lib.intake.datasets.dataset_intake import DatasetIntake
from tasks_lib.intake.datasets.file_formats import FileFormat
from tasks_lib.intake.datasets.foreign_rows import ForeignRows, ForeignSource
from tasks_lib.intake.datasets.row_spool import local_rows
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store import catalogue, datasets
from tasks_lib.store.datasets import Dataset


class ImportMode(StrEnum):
    """How to treat the rows that the dataset already has."""

    CREATE = "create"
    APPEND = "append"
    REPLACE = "replace"


@dataclass(frozen=True, kw_only=True)
class ImportRequest:
    """A source to import into a dataset.

    The fields from ``format`` on are those of ``ForeignSource``.
    """

    organization: str
    name: str
    source: str
    mode: ImportMode = ImportMode.CREATE
    format: FileFormat | None = None
    encoding: str = ""
    delimiter: str = ","
    quote: Quote = Quote.DOUBLE
    columns: tuple[str, ...] = ()
    records: str = ""
    nan_as_null: bool = False

    def __post_init__(self) -> None:
        check_storable(self.source, self.records, *self.columns)
        check_source(self.source)
        check_dataset_name(self.name)
        object.__setattr__(self, "delimiter", delimiter_of(self.delimiter))


class ImportReport(BaseModel):
    """The result of an import; with ``errors``, nothing was imported."""

    model_config = ConfigDict(frozen=True)

    dataset: str
    version: int | None = None
    imported: int = 0
    already_imported: int = 0
    rejected: int = 0
    source: str
    errors: tuple[ReportError, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """The result in one sentence."""
        if self.errors:
            more = other_problems(len(self.errors) - 1)
            sentence = f"Nothing was imported into {self.dataset}: {self.errors[0]}{more}"
            return sentence if sentence.endswith((".", "?")) else f"{sentence}."
        if self.already_imported:
            return (
                f"Version {self.version} of {self.dataset} holds these "
                f"{counted(self.already_imported, 'row')} already; nothing was imported."
            )
        return (
            f"Imported {counted(self.imported, 'row')} as version {self.version} of {self.dataset}."
        )


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


def import_dataset(
    workspace: Workspace, request: ImportRequest, on_progress: OnProgress = lambda _: None
) -> ImportReport:
    """Import the source in one transaction; the same content is imported once.

    Raises ImportRejectedError, which carries the report, NotFoundError for the organization,
    UsageError if the dataset has rows and the mode is to create it, and UnavailableError.
    """
    source = ForeignSource(
        request.source,
        format=request.format,
        dialect=Dialect(request.delimiter, request.quote, request.encoding),
        columns=request.columns,
        records=request.records,
        nan_as_null=request.nan_as_null,
    )
    try:
        with workspace.open_rows(source, workspace.limits) as rows:
            report = _find_report(workspace, request, rows.checksum)
            return report or _import_rows(workspace, request, rows, on_progress)
    except SourceProblemError as error:
        report = ImportReport(
            dataset=request.name,
            source=request.source,
            rejected=len({problem.row for problem in error.problems if problem.row}),
            errors=tuple(ReportError.of(problem) for problem in error.problems),
        )
        raise ImportRejectedError(report) from None


def _find_report(
    workspace: Workspace, request: ImportRequest, checksum: str | None
) -> ImportReport | None:
    """Return the report of content that need not be read, as it has been imported; or None."""
    with workspace.store.read() as session:
        organization_id = catalogue.find_organization(session, request.organization)
        named = [
            dataset
            for dataset in datasets.list_datasets(session, organization_id)
            if dataset.name == request.name
        ]
        if checksum is None or not named:
            return None
        return _report_of_earlier(session, request, named[0], checksum)


def _report_of_earlier(
    session: Session, request: ImportRequest, dataset: Dataset, checksum: str
) -> ImportReport | None:
    """Return the report if the dataset has the content, under ``replace`` nothing else."""
    earlier = datasets.find_import(session, dataset, checksum)
    if earlier is None:
        return None
    if request.mode is ImportMode.REPLACE and earlier.row_count != dataset.row_count:
        return None
    return ImportReport(
        dataset=request.name,
        version=earlier.version,
        already_imported=earlier.row_count,
        source=request.source,
    )


def _import_rows(
    workspace: Workspace, request: ImportRequest, rows: ForeignRows, on_progress: OnProgress
) -> ImportReport:
    with (
        local_rows(rows, workspace.limits) as (local, checksum),
        workspace.store.write() as session,
    ):
        intake = DatasetIntake(local, workspace.limits, on_progress)
        return _import(session, request, local, checksum, intake, workspace.store.now())


def _import(
    session: Session,
    request: ImportRequest,
    rows: ForeignRows,
    checksum: str,
    intake: DatasetIntake,
    at: datetime,
) -> ImportReport:
    organization_id = catalogue.find_organization(session, request.organization)
    dataset, is_new = datasets.lock_dataset(session, organization_id, request.name)
    if datasets.find_query(session, dataset.id) is not None:
        raise UsageError(f"dataset {request.name!r} is read from a database; give another name")
    report = _report_of_earlier(session, request, dataset, checksum)
    if report is not None:
        return report
    if not is_new and request.mode is ImportMode.CREATE:
        raise UsageError(
            f"dataset {request.name!r} has {counted(dataset.row_count, 'row')} already; "
            "choose append or replace"
        )
    version = datasets.add_version(session, dataset, source=request.source, sha256=checksum, at=at)
    replaces = request.mode is ImportMode.REPLACE
    offset = 0 if replaces else dataset.row_count
    count = datasets.insert_dataset_rows(session, dataset.id, version, _stream_rows(intake, offset))
    if not replaces and not is_new and rows.is_table:
        _check_columns(dataset, rows.columns)
    columns = rows.columns if replaces else joined_columns(dataset.columns, rows.columns)
    datasets.complete_version(
        session, dataset, version, columns=columns, row_count=count, replaces=replaces
    )
    return ImportReport(
        dataset=request.name,
        version=version,
        imported=count,
        source=request.source,
        warnings=(*rows.warnings, *_warn_of_missing(dataset, columns)),
    )


def _stream_rows(intake: DatasetIntake, offset: int) -> Iterator[Sequence[pa.Array]]:
    """Yield the rows to write, numbered on from ``offset``; raise once all problems are known."""
    for batch in intake.batches():
        if not intake.rejected:
            yield pc.add(batch.rows, offset), batch.values
    if intake.rejected:
        raise SourceProblemError(*intake.problems)


def _check_columns(dataset: Dataset, columns: Sequence[Column]) -> None:
    """Raise SourceProblemError unless a table to append has the dataset's columns."""
    names = [column.name for column in columns]
    expected = [column.name for column in dataset.columns]
    problems = check_header(names, expected, noun="column of the dataset")
    if problems:
        raise SourceProblemError(*problems)


def _warn_of_missing(dataset: Dataset, columns: Sequence[Column]) -> tuple[str, ...]:
    """Return a warning for each column that the dataset had before this import."""
    gone = missing_columns((name for name, _ in dataset.columns), [name for name, _ in columns])
    since = f"since version {dataset.version} of {dataset.name}"
    return tuple(f"{sentence}, {since}" for sentence in gone.values())


def joined_columns(before: Sequence[Column], now: Sequence[Column]) -> tuple[Column, ...]:
    """Return the columns of old and new rows together, each of a type that holds both."""
    types: dict[str, set[FieldType]] = {}
    for column in (*before, *now):
        types.setdefault(column.name, set()).add(column.type)
    return tuple(Column(name, common_type(kinds)) for name, kinds in types.items())
