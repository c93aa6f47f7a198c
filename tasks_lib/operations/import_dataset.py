"""Import a file into a dataset of the Data Vault: all of its rows or none, each content once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import Session

from tasks_lib.domain.conversions import Column
from tasks_lib.domain.datasets import common_type
from tasks_lib.domain.fields import FieldType, check_name
from tasks_lib.domain.headers import check_header
from tasks_lib.domain.names import counted, is_storable
from tasks_lib.domain.problems import Problem, SourceProblemError
from tasks_lib.domain.report import ReportError
from tasks_lib.errors import RejectedError, UsageError
from tasks_lib.intake.dataset_intake import DatasetFormat, DatasetIntake, format_of
from tasks_lib.intake.progress import OnProgress
from tasks_lib.intake.sources import SourceFile, fetch
from tasks_lib.operations.file_sources import delimiter_of
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store import dataset_queries, datasets
from tasks_lib.store.datasets import Dataset

_TABLES: Final = frozenset({DatasetFormat.CSV, DatasetFormat.PARQUET})
"""Formats whose rows all have the same columns."""


class ImportMode(StrEnum):
    """What becomes of the rows that the dataset has."""

    CREATE = "create"
    APPEND = "append"
    REPLACE = "replace"


@dataclass(frozen=True)
class ImportRequest:
    """Which file goes into which dataset; without ``written`` its name or beginning says how."""

    organization: str
    name: str
    source: str
    mode: ImportMode = ImportMode.CREATE
    written: DatasetFormat | None = None
    encoding: str = ""
    delimiter: str = ","

    def __post_init__(self) -> None:
        if not is_storable(self.source):
            raise UsageError(f"{self.source!r} holds a NUL character or bytes that are not UTF-8")
        check_dataset_name(self.name)
        object.__setattr__(self, "delimiter", delimiter_of(self.delimiter))


class ImportReport(BaseModel):
    """What an import did; with ``errors``, nothing."""

    model_config = ConfigDict(frozen=True)

    dataset: str
    version: int | None = None
    imported: int = 0
    already_imported: int = 0
    rejected: int = 0
    source: str
    errors: tuple[ReportError, ...] = ()

    @property
    def sentence(self) -> str:
        """What happened, for a person, in one sentence."""
        if self.errors:
            more = f" (and {len(self.errors) - 1} more)" if len(self.errors) > 1 else ""
            told = f"Nothing was imported into {self.dataset}: {self.errors[0]}{more}"
            return told if told.endswith((".", "?")) else f"{told}."
        if self.already_imported:
            return (
                f"Version {self.version} of {self.dataset} holds these "
                f"{counted(self.already_imported, 'row')} already; nothing was imported."
            )
        return (
            f"Imported {counted(self.imported, 'row')} as version {self.version} of {self.dataset}."
        )


class ImportRejectedError(RejectedError):
    """A file was turned away; ``report`` says why, row by row."""

    code = "import_rejected"

    def __init__(self, report: ImportReport) -> None:
        super().__init__(report.sentence)
        self.report = report


def check_dataset_name(name: str) -> None:
    """Raise UsageError unless a dataset may be called so."""
    try:
        check_name(name, "dataset")
    except ValueError as error:
        raise UsageError(str(error)) from None
    if "/" in name:
        raise UsageError(f"dataset name {name!r} holds a slash, as paths of pipelines do")


def import_dataset(
    workspace: Workspace, request: ImportRequest, on_progress: OnProgress = lambda _: None
) -> ImportReport:
    """Import the file in one transaction; the same content is imported once.

    Raises ImportRejectedError, which carries the report, NotFoundError for the organization,
    UsageError where the dataset has rows and the mode is to create it, and UnavailableError.
    """
    with TemporaryDirectory(prefix="seeding-") as folder:
        try:
            source = fetch(request.source, Path(folder), workspace.limits)
            with workspace.store.write() as session:
                return _import(session, workspace, request, source, on_progress)
        except SourceProblemError as error:
            report = ImportReport(
                dataset=request.name,
                source=request.source,
                rejected=len({problem.row for problem in error.problems if problem.row}),
                errors=tuple(ReportError.of(problem) for problem in error.problems),
            )
            raise ImportRejectedError(report) from None


def _import(
    session: Session,
    workspace: Workspace,
    request: ImportRequest,
    source: SourceFile,
    on_progress: OnProgress,
) -> ImportReport:
    organization_id = datasets.find_organization(session, request.organization)
    dataset, is_new = datasets.lock_dataset(session, organization_id, request.name)
    if dataset_queries.find_query(session, dataset.id) is not None:
        raise UsageError(f"dataset {request.name!r} is read from a database; give another name")
    held = datasets.find_import(session, dataset, source.sha256)
    replaces = request.mode is ImportMode.REPLACE
    if held is not None and (not replaces or held.row_count == dataset.row_count):
        return ImportReport(
            dataset=request.name,
            version=held.version,
            already_imported=held.row_count,
            source=request.source,
        )
    if not is_new and request.mode is ImportMode.CREATE:
        raise UsageError(
            f"dataset {request.name!r} has {counted(dataset.row_count, 'row')} already; "
            "say --append or --replace"
        )
    written = request.written or format_of(source, request.encoding)
    intake = DatasetIntake(
        source,
        written,
        workspace.limits,
        delimiter=request.delimiter,
        encoding=request.encoding,
        on_progress=on_progress,
    )
    version = datasets.add_version(
        session, dataset, source=request.source, sha256=source.sha256, at=datetime.now(UTC)
    )
    offset = 0 if replaces else dataset.row_count
    count = datasets.insert_dataset_rows(session, dataset.id, version, _accepted(intake, offset))
    if not replaces and not is_new and written in _TABLES:
        _check_columns(dataset, intake.columns)
    columns = intake.columns if replaces else joined_columns(dataset.columns, intake.columns)
    datasets.complete_version(
        session, dataset, version, columns=columns, row_count=count, replaces=replaces
    )
    return ImportReport(
        dataset=request.name, version=version, imported=count, source=request.source
    )


def _accepted(intake: DatasetIntake, offset: int) -> Iterator[Sequence[pa.Array]]:
    """Yield what is written, numbered on from ``offset``; raise once all problems are known."""
    for batch in intake.batches():
        if not intake.rejected:
            yield pc.add(batch.rows, offset), batch.values
    if intake.rejected:
        raise SourceProblemError(*intake.problems)


def _check_columns(dataset: Dataset, columns: Sequence[Column]) -> None:
    """Raise SourceProblemError unless a table to be appended has the dataset's columns."""
    names = [column.name for column in columns]
    problems = check_header(names, [column.name for column in dataset.columns])
    if problems:
        raise SourceProblemError(*map(_of_dataset, problems))


def joined_columns(before: Sequence[Column], now: Sequence[Column]) -> tuple[Column, ...]:
    """Return the columns of old and new rows together."""
    types: dict[str, set[FieldType]] = {}
    for column in (*before, *now):
        types.setdefault(column.name, set()).add(column.type)
    return tuple(Column(name, common_type(found)) for name, found in types.items())


def _of_dataset(problem: Problem) -> Problem:
    message = problem.message.replace(
        "no dataset field of the pipeline", "no column of the dataset"
    )
    return problem._replace(message=message)
