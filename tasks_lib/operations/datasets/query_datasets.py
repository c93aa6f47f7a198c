"""Datasets that are queries of other databases: add them, and import their new rows.

The rows are first read into a local file, so that the store is not locked for as long as the other
database takes. Then they are upserted by their key: new rows are added, changed ones take the new
values. Rows that the query no longer returns are removed only if it is said to return all.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa
from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import Session

from tasks_lib.domain.mapping.conversions import Column
from tasks_lib.domain.names import check_storable, counted, other_problems
from tasks_lib.domain.report import ReportError, problems_of
from tasks_lib.domain.rows.sql_rows import check_query
from tasks_lib.errors import Problem, RejectedError, SourceProblemError, UsageError
from tasks_lib.intake.datasets.foreign_rows import ForeignRows, ForeignSource
from tasks_lib.intake.datasets.row_spool import RowSpool, check_key, first_columns
from tasks_lib.operations.datasets.import_dataset import joined_columns
from tasks_lib.operations.datasets.import_request import check_dataset_name, check_key_columns
from tasks_lib.operations.datasets.upsert import CompleteSource, check_missing, write_version
from tasks_lib.operations.workspace import SECRET, Workspace
from tasks_lib.store import catalogue
from tasks_lib.store.datasets import datasets
from tasks_lib.store.datasets.dataset_rows import find_known_rows
from tasks_lib.store.datasets.dataset_upserts import ArrivingRows
from tasks_lib.store.datasets.datasets import Dataset, Query
from tasks_lib.transport.databases import check_url


@dataclass(frozen=True, kw_only=True)
class QueryRequest:
    """A query to make a dataset; ``connection`` is a URL or ``secret:<block>``."""

    organization: str
    name: str
    connection: str
    query: str
    key_columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_dataset_name(self.name)
        texts = (self.connection, self.query, *self.key_columns)
        check_storable(*texts, subject="the request")  # a connection may hold a password
        check_key_columns(self.key_columns)
        if not self.connection.startswith(SECRET):
            object.__setattr__(self, "connection", check_url(self.connection))
        object.__setattr__(self, "query", check_query(self.query))


class RefreshReport(BaseModel):
    """The result of a refresh.

    Of the query's rows, ``imported`` are new, ``changed`` have other values than before, and
    ``already_imported`` the same. ``removed`` rows are missing from a query that returns all.
    ``repeated`` rows have the key of an earlier one and other values; they are left out.
    """

    model_config = ConfigDict(frozen=True)

    dataset: str
    version: int | None = None
    imported: int = 0
    already_imported: int = 0
    changed: int = 0
    removed: int = 0
    repeated: int = 0
    rejected: int = 0
    errors: tuple[ReportError, ...] = ()

    @property
    def sentence(self) -> str:
        """The result in one sentence."""
        if self.errors:
            more = other_problems(len(self.errors) - 1)
            return f"{self.dataset} was not refreshed: {self.errors[0]}{more}."
        place = f" as version {self.version}" if self.version is not None else ""
        sentence = f"{self.dataset}: {counted(self.imported, 'new row')}{place}"
        for count, state in (
            (self.changed, "changed"),
            (self.removed, "removed"),
            (self.already_imported, "existed already"),
        ):
            if count:
                sentence += f", {count:,} {state}"
        warnings = warn_of_repeated(self.dataset, self.repeated)
        return ". ".join([sentence, *warnings]) + "."


class RefreshRejectedError(RejectedError):
    """A query or its rows were rejected; ``report`` says why."""

    code = "refresh_rejected"

    def __init__(self, report: RefreshReport) -> None:
        super().__init__(report.sentence, problems=problems_of(report.errors))
        self.report = report

    @classmethod
    def of(cls, dataset: str, error: SourceProblemError) -> "RefreshRejectedError":
        """Make the error for the problems of a dataset's query."""
        return cls(
            RefreshReport(
                dataset=dataset,
                rejected=len({problem.row for problem in error.problems if problem.row}),
                errors=tuple(ReportError.of(problem) for problem in error.problems),
            )
        )


def add_query(workspace: Workspace, request: QueryRequest) -> tuple[Column, ...]:
    """Create or change a dataset from a query; run the query, and return its columns.

    Raises RefreshRejectedError if the query fails, UsageError if the dataset's rows come from files
    or have another key, and SourceDatabaseUnavailableError.
    """
    with workspace.store.read() as session:
        catalogue.find_organization(session, request.organization)
    query = Query(request.connection, request.query, request.key_columns)
    try:
        with _open_query(workspace, query) as rows:
            check_key([column.name for column in rows.columns], query.key_columns)
            columns = first_columns(rows)
    except SourceProblemError as error:
        raise RefreshRejectedError.of(request.name, error) from None
    with workspace.store.write() as session:
        organization_id = catalogue.find_organization(session, request.organization)
        dataset, is_new = datasets.lock_dataset(session, organization_id, request.name)
        earlier = datasets.find_query(session, dataset.id)
        if not is_new and earlier is None:
            raise UsageError(f"dataset {request.name!r} has been imported from files")
        if earlier is not None and dataset.row_count and earlier.key_columns != query.key_columns:
            named = ", ".join(earlier.key_columns) or "all of its columns"
            raise UsageError(
                f"the rows of dataset {request.name!r} are identified by {named}; changing "
                "that would import all of them again; give the query another name"
            )
        datasets.save_query(session, dataset, query, columns)
    return columns


def refresh_dataset(
    workspace: Workspace,
    organization: str,
    name: str,
    *,
    full: bool = False,
    allow_shrink: bool = False,
) -> RefreshReport:
    """Import the new and changed rows of the dataset's query; raises the errors of ``add_query``.

    With ``full``, rows that the query does not return are removed, more than half of them only with
    ``allow_shrink``.
    """
    with workspace.store.read() as session:
        organization_id = catalogue.find_organization(session, organization)
        dataset = datasets.find_dataset(session, organization_id, name)
        query = datasets.find_query(session, dataset.id)
        if query is None:
            raise UsageError(f"dataset {name!r} is not a query, so there is nothing to refresh")
    try:
        return refresh(workspace, dataset, query, CompleteSource(allow_shrink) if full else None)
    except SourceProblemError as error:
        raise RefreshRejectedError.of(name, error) from None


def refresh(
    workspace: Workspace, dataset: Dataset, query: Query, full: CompleteSource | None
) -> RefreshReport:
    """Upsert the rows; raise SourceProblemError if the query or one of its rows is bad."""
    with run_query(workspace, query) as spool:
        at = workspace.store.now()
        with workspace.store.write() as session:
            locked, _ = datasets.lock_dataset(session, dataset.organization_id, dataset.name)
            if datasets.find_query(session, locked.id) is None:
                raise SourceProblemError(
                    Problem("query_failed", "the dataset is no longer a query")
                )
            arriving = ArrivingRows(session)
            arriving.add(_arrays(spool))
            arriving.prepare()
            version, upserted = write_version(
                session,
                locked,
                arriving,
                source=query.connection,
                sha256=spool.checksum,
                columns=columns_with(locked, spool),
                full=full,
                at=at,
            )
        return RefreshReport(
            dataset=dataset.name,
            version=version,
            imported=upserted.added,
            already_imported=len(spool) - upserted.added - upserted.changed,
            changed=upserted.changed,
            removed=upserted.removed,
            repeated=spool.repeated,
        )


@contextmanager
def run_query(workspace: Workspace, query: Query) -> Iterator[RowSpool]:
    """Read the rows of a dataset's query into a spool."""
    with RowSpool.open() as spool:
        with _open_query(workspace, query) as rows:
            spool.fill(rows, workspace.limits, query.key_columns)
        yield spool


def rehearse(
    session: Session, dataset: Dataset, spool: RowSpool, full: CompleteSource | None
) -> None:
    """Leave the new rows in the spool, and let it note which of the others change the dataset.

    Raises SourceProblemError if a complete source lacks too many rows.
    """
    for batch in spool.batches():
        keys = [key for key, _ in batch]
        known = find_known_rows(session, dataset.id, keys)
        spool.drop_known(known, batch)
    if full is not None:
        check_missing(dataset, dataset.row_count - spool.known, full)


def warn_of_repeated(name: str, repeated: int) -> tuple[str, ...]:
    """Return a warning about rows that were left out for their key, if there are any."""
    if not repeated:
        return ()
    subject = f"{counted(repeated, 'row')} of dataset {name!r}"
    return (f"{subject} came with the key of an earlier row and other values, and was left out",)


def columns_with(dataset: Dataset, spool: RowSpool) -> tuple[Column, ...]:
    """Return the columns that the dataset has once the spool's rows are in it."""
    return joined_columns(dataset.columns, spool.columns) if dataset.row_count else spool.columns


@contextmanager
def _open_query(workspace: Workspace, query: Query) -> Iterator[ForeignRows]:
    url = workspace.read_connection(query.connection)
    with workspace.open_rows(ForeignSource(url, query=query.query), workspace.limits) as rows:
        yield rows


def _arrays(spool: RowSpool) -> Iterator[Sequence[pa.Array]]:
    number = 0
    for batch in spool.batches():
        keys, values = zip(*batch, strict=True)
        numbers = pa.array(range(number + 1, number + len(batch) + 1), pa.int64())
        number += len(batch)
        yield numbers, pa.array(values, pa.string()), pa.array(keys, pa.string())
