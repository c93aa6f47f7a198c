"""Import an external source into a dataset: all of its rows or none, each content once.

With a key, the rows are upserted: new ones are added, changed ones take the new values, and those
that a full source lacks are removed. The values that a row had are kept.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from functools import partial
from typing import NamedTuple
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy.orm import Session

from tasks_lib.domain.audit import Action
from tasks_lib.domain.datasets import common_type
from tasks_lib.domain.fields import FieldType
from tasks_lib.domain.mapping.conversions import Column
from tasks_lib.domain.mapping.drift import missing_columns
from tasks_lib.domain.names import counted
from tasks_lib.domain.progress import OnProgress
from tasks_lib.domain.report import ReportError
from tasks_lib.domain.rows.dialects import Dialect
from tasks_lib.domain.rows.headers import check_header
from tasks_lib.domain.rows.tolerance import Tolerance
from tasks_lib.domain.statuses import OnError
from tasks_lib.errors import Problem, SourceProblemError, UsageError
from tasks_lib.intake.datasets.dataset_intake import DatasetIntake
from tasks_lib.intake.datasets.foreign_rows import ForeignRows, ForeignSource
from tasks_lib.intake.datasets.rejected_rows import RejectedRows
from tasks_lib.intake.datasets.row_keys import read_keys
from tasks_lib.intake.datasets.row_spool import check_key, local_rows
from tasks_lib.intake.rows.arrays import number_scalar
from tasks_lib.operations.datasets.import_request import (
    RESULTS,
    ImportMode,
    ImportRejectedError,
    ImportReport,
    ImportRequest,
)
from tasks_lib.operations.datasets.upsert import (
    CompleteSource,
    declare_key,
    explain_repeated,
    write_version,
)
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store import audit, catalogue
from tasks_lib.store.datasets import datasets
from tasks_lib.store.datasets.dataset_rows import find_last_row
from tasks_lib.store.datasets.dataset_upserts import ArrivingRows
from tasks_lib.store.datasets.datasets import Dataset


class _Intake(NamedTuple):
    """The rows to import, who follows the import, and where rejected rows go."""

    rows: ForeignRows
    rejects: RejectedRows
    on_progress: OnProgress
    store_rejects: Callable[[], str | None]


def import_dataset(
    workspace: Workspace,
    request: ImportRequest,
    on_progress: OnProgress = lambda _: None,
    *,
    run_id: str | None = None,
) -> ImportReport:
    """Import the source in one transaction; the same content is imported once.

    Idempotent for a ``run_id``: after a crash or a retry it returns the report of the import.

    Raises ImportRejectedError, which carries the report, NotFoundError for the organization,
    UsageError if the dataset has rows and the mode is to create it, and UnavailableError.
    """
    known = find_report(workspace, run_id) if run_id is not None else None
    if known is not None and not known.is_rejection:
        return known
    dialect = Dialect(request.delimiter, request.quote, request.encoding)
    with RejectedRows(dialect) as rejects:
        store_rejects = partial(_store_rejects, workspace, rejects, run_id or str(uuid4()))
        try:
            with _open_rows(workspace, request) as rows:
                report = _find_report(workspace, request, rows.checksum)
                if report is None:
                    intake = _Intake(rows, rejects, on_progress, store_rejects)
                    return _import_rows(workspace, request, intake, run_id)
        except SourceProblemError as error:
            report = rejection_of(request, error, store_rejects())
    if run_id is not None:
        with workspace.store.write() as session:
            _save_report(session, run_id, report, workspace.store.now())
    if report.is_rejection:
        raise ImportRejectedError(report)
    return report


def _open_rows(workspace: Workspace, request: ImportRequest) -> AbstractContextManager[ForeignRows]:
    if request.source.startswith(RESULTS):
        from tasks_lib.operations.datasets.result_rows import (  # noqa: PLC0415 - loads msgspec
            open_result_rows,
        )

        return open_result_rows(workspace, request)
    source = ForeignSource(
        request.source,
        format=request.format,
        dialect=Dialect(request.delimiter, request.quote, request.encoding),
        columns=request.columns,
        records=request.records,
        nan_as_null=request.nan_as_null,
        sheet=request.sheet,
    )
    return workspace.open_rows(source, workspace.limits)


def find_report(workspace: Workspace, run_id: str) -> ImportReport | None:
    """Return the report that the import of a flow run has saved, or None."""
    with workspace.store.read() as session:
        report = datasets.find_import_report(session, run_id)
    return ImportReport.model_validate(report) if report is not None else None


def _save_report(session: Session, run_id: str, report: ImportReport, at: datetime) -> None:
    datasets.save_import_report(session, run_id, report.model_dump(mode="json"), at=at)


def _store_rejects(workspace: Workspace, rejects: RejectedRows, run_id: str) -> str | None:
    """Store the rejects file; return its URI, or None if no row was rejected."""
    path = rejects.finish()
    return workspace.storage.put(f"rejects/{run_id}.csv", path) if path is not None else None


def rejection_of(
    request: ImportRequest, error: SourceProblemError, rejects_uri: str | None
) -> ImportReport:
    """Return the report of a source that is rejected."""
    return ImportReport(
        dataset=request.name,
        source=request.source,
        rejects_uri=rejects_uri,
        rejected=len({problem.row for problem in error.problems if problem.row}),
        errors=tuple(ReportError.of(problem) for problem in error.problems),
    )


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
    workspace: Workspace, request: ImportRequest, source: _Intake, run_id: str | None
) -> ImportReport:
    tolerates = request.on_error is OnError.SKIP_ROWS
    with (
        local_rows(source.rows, workspace.limits, tolerates=tolerates) as (local, checksum),
        workspace.store.write() as session,
    ):
        intake = DatasetIntake(local, workspace.limits, source.on_progress, source.rejects)
        at = workspace.store.now()
        report = _import(session, request, local, checksum, intake, at)
        report = report.model_copy(update={"rejects_uri": source.store_rejects()})
        _record(session, request, report, by=workspace.store.actor, at=at)
        if run_id is not None:
            _save_report(session, run_id, report, at)
        return report


def _record(
    session: Session, request: ImportRequest, report: ImportReport, *, by: str, at: datetime
) -> None:
    """Record an import that has changed the dataset in the audit trail."""
    numbers = report.model_dump(include={"imported", "changed", "removed"}, exclude_defaults=True)
    if not numbers:
        return
    audit.record(
        session,
        catalogue.find_organization(session, request.organization),
        Action.DATASET_IMPORTED,
        request.name,
        by=by,
        at=at,
        details={"source": report.source, "version": report.version, **numbers},
    )


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
    if request.key:
        return _upsert(session, request, dataset, rows, checksum, intake, at)
    _check_mode(request, dataset, is_new=is_new)
    report = _report_of_earlier(session, request, dataset, checksum)
    if report is not None:
        return report
    if not is_new and request.mode is ImportMode.CREATE:
        raise UsageError(
            f"dataset {request.name!r} has {counted(dataset.row_count, 'row')} already; "
            "choose append or replace, or give the key of its rows"
        )
    version = datasets.add_version(session, dataset, source=request.source, sha256=checksum, at=at)
    replaces = request.mode is ImportMode.REPLACE
    offset = 0 if replaces else find_last_row(session, dataset)
    count = datasets.insert_dataset_rows(
        session, dataset.id, version, _stream_rows(intake, request.tolerance, offset)
    )
    if not replaces and not is_new and rows.is_table:
        _check_columns(dataset, rows.columns)
    columns = rows.columns if replaces else joined_columns(dataset.columns, rows.columns)
    datasets.complete_version(
        session, dataset, version, columns=columns, row_count=count, replaces=replaces
    )
    return _report(
        request, rows, intake, version, imported=count, gone=_warn_of_missing(dataset, columns)
    )


def _check_mode(request: ImportRequest, dataset: Dataset, *, is_new: bool) -> None:
    """Raise UsageError for rows without a key that are to join rows with one."""
    if dataset.key_columns and not is_new and request.mode is not ImportMode.REPLACE:
        named = ", ".join(dataset.key_columns)
        raise UsageError(
            f"the rows of dataset {request.name!r} have the key {named}; give key {named}, "
            "or replace them"
        )


def _upsert(
    session: Session,
    request: ImportRequest,
    dataset: Dataset,
    rows: ForeignRows,
    checksum: str,
    intake: DatasetIntake,
    at: datetime,
) -> ImportReport:
    """Upsert the rows by the key of the request, which becomes that of the dataset."""
    declare_key(session, dataset, request.key)
    arriving = ArrivingRows(session)
    arriving.add(_with_keys(intake, rows, dataset, request.key))
    arriving.prepare()
    count, repeated = arriving.take_repeated(intake.max_errors)
    bad = [(row.value, explain_repeated(row, request.key)) for row in repeated]
    intake.reject(bad, count=count)
    _check_rejected(intake, request.tolerance)
    is_full = request.full and not intake.rejected  # one of the bad rows may be one that is missing
    version, upserted = write_version(
        session,
        dataset,
        arriving,
        source=request.source,
        sha256=checksum,
        columns=joined_columns(dataset.columns, rows.columns),
        full=CompleteSource(request.allow_shrink) if is_full else None,
        at=at,
    )
    return _report(
        request,
        rows,
        intake,
        version or dataset.version,
        imported=upserted.added,
        changed=upserted.changed,
        already_imported=intake.good - upserted.added - upserted.changed,
        removed=upserted.removed,
    )


def _with_keys(
    intake: DatasetIntake, rows: ForeignRows, dataset: Dataset, key: Sequence[str]
) -> Iterator[Sequence[pa.Array]]:
    """Yield the rows with their keys; reject those without one."""
    is_first = True
    for batch in intake.batches():
        if is_first and rows.is_table:
            check_key([column.name for column in rows.columns], key)
            if dataset.version:
                _check_columns(dataset, rows.columns)
        is_first = False
        arrays, bad = read_keys(batch, key)
        intake.reject(bad)
        yield arrays


def _report(
    request: ImportRequest,
    rows: ForeignRows,
    intake: DatasetIntake,
    version: int,
    *,
    imported: int,
    changed: int = 0,
    already_imported: int = 0,
    removed: int = 0,
    gone: tuple[str, ...] = (),
) -> ImportReport:
    return ImportReport(
        dataset=request.name,
        version=version,
        imported=imported,
        changed=changed,
        already_imported=already_imported,
        removed=removed,
        rejected=intake.rejected,
        source=request.source,
        errors=tuple(map(ReportError.of, _in_order(intake.problems))),
        warnings=(*rows.warnings, *gone),
    )


def _stream_rows(
    intake: DatasetIntake, tolerance: Tolerance, offset: int
) -> Iterator[Sequence[pa.Array]]:
    """Yield the rows to write, numbered on from ``offset``; raise once all problems are known."""
    for batch in intake.batches():
        if not tolerance.refuses(intake.rejected):
            yield pc.add(batch.rows, number_scalar(offset)), batch.values
    _check_rejected(intake, tolerance)


def _check_rejected(intake: DatasetIntake, tolerance: Tolerance) -> None:
    """Raise SourceProblemError if too many rows are bad, or all of them."""
    read = intake.good + intake.rejected
    if tolerance.refuses(intake.rejected, read) or not intake.good:
        excess = tolerance.excess(intake.rejected, read)
        problems = _in_order(intake.problems)
        raise SourceProblemError(*((excess,) if excess is not None else ()), *problems)


def _in_order(problems: Sequence[Problem]) -> list[Problem]:
    return sorted(problems, key=lambda problem: problem.row or 0)


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
