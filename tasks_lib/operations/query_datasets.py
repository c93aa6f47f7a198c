"""Datasets that are queries of other SQL databases: add them, and take in what is new in them.

The query is read into a file of this machine first, so that the store is not locked for as long as
the other database takes. A row goes in once, by its key; what it holds then stays.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pyarrow as pa
from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import Session

from tasks_lib.domain.conversions import Column
from tasks_lib.domain.names import counted, is_storable
from tasks_lib.domain.problems import Problem, SourceProblemError
from tasks_lib.domain.report import ReportError
from tasks_lib.domain.sql_rows import checked_query
from tasks_lib.errors import RejectedError, UsageError
from tasks_lib.intake.row_spool import RowSpool, check_key, first_columns
from tasks_lib.intake.sql_source import QueryRows, checked_url, query_rows
from tasks_lib.operations.import_dataset import check_dataset_name, joined_columns
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store import dataset_queries, datasets
from tasks_lib.store.dataset_queries import Query
from tasks_lib.store.datasets import Dataset

SECRET: Final = "secret:"  # noqa: S105 - what stands before the name of one
_SAMPLE_ROWS: Final = 100


@dataclass(frozen=True)
class QueryRequest:
    """Which query becomes which dataset; ``connection`` is a URL or ``secret:<block>``."""

    organization: str
    name: str
    connection: str
    query: str
    key_columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_dataset_name(self.name)
        for text in (self.connection, self.query, *self.key_columns):
            if not is_storable(text):
                raise UsageError("the request holds a NUL character or bytes that are not UTF-8")
        if len(set(self.key_columns)) < len(self.key_columns):
            raise UsageError("the key names a column twice")
        if not self.connection.startswith(SECRET):
            object.__setattr__(self, "connection", checked_url(self.connection))
        object.__setattr__(self, "query", checked_query(self.query))


class RefreshReport(BaseModel):
    """What a refresh took in; ``changed`` rows were there already, with other content."""

    model_config = ConfigDict(frozen=True)

    dataset: str
    version: int | None = None
    imported: int = 0
    already_imported: int = 0
    changed: int = 0
    rejected: int = 0
    errors: tuple[ReportError, ...] = ()

    @property
    def sentence(self) -> str:
        """What happened, for a person, in one sentence."""
        if self.errors:
            more = f" (and {len(self.errors) - 1} more)" if len(self.errors) > 1 else ""
            return f"{self.dataset} was not refreshed: {self.errors[0]}{more}."
        place = f" as version {self.version}" if self.version is not None else ""
        told = f"{self.dataset}: {counted(self.imported, 'new row')}{place}"
        if self.already_imported:
            told += f", {self.already_imported:,} were there already"
        if self.changed:
            told += f", {self.changed:,} of another content, which stays as it was"
        return f"{told}."


class RefreshRejectedError(RejectedError):
    """A query or its rows were turned away; ``report`` says why."""

    code = "refresh_rejected"

    def __init__(self, report: RefreshReport) -> None:
        super().__init__(report.sentence)
        self.report = report

    @classmethod
    def of(cls, dataset: str, error: SourceProblemError) -> "RefreshRejectedError":
        """Make the error for what is wrong with a query."""
        return cls(
            RefreshReport(
                dataset=dataset,
                rejected=len({problem.row for problem in error.problems if problem.row}),
                errors=tuple(ReportError.of(problem) for problem in error.problems),
            )
        )


def add_query(workspace: Workspace, request: QueryRequest) -> tuple[Column, ...]:
    """Make a query a dataset, or change the one that it is; try it, and return its columns.

    Raises RefreshRejectedError where the query fails, UsageError where the dataset's rows come from
    files or have another key, and SourceDatabaseUnavailableError.
    """
    with workspace.store.read() as session:
        datasets.find_organization(session, request.organization)
    query = Query(request.connection, request.query, request.key_columns)
    try:
        with _opened(workspace, query) as rows:
            check_key(rows.names, query.key_columns)
            columns = first_columns(rows, _SAMPLE_ROWS)
    except SourceProblemError as error:
        raise RefreshRejectedError.of(request.name, error) from None
    with workspace.store.write() as session:
        organization_id = datasets.find_organization(session, request.organization)
        dataset, is_new = datasets.lock_dataset(session, organization_id, request.name)
        held = dataset_queries.find_query(session, dataset.id)
        if not is_new and held is None:
            raise UsageError(f"dataset {request.name!r} has been imported from files")
        if held is not None and dataset.row_count and held.key_columns != query.key_columns:
            named = ", ".join(held.key_columns) or "all of its columns"
            raise UsageError(
                f"the rows of dataset {request.name!r} are told apart by {named}, and a change "
                "would take all of them in again; give the query another name"
            )
        dataset_queries.save_query(session, dataset, query, columns)
    return columns


def refresh_dataset(workspace: Workspace, organization: str, name: str) -> RefreshReport:
    """Take in the rows of the dataset's query that it has not; raise as ``add_query`` does."""
    with workspace.store.read() as session:
        organization_id = datasets.find_organization(session, organization)
        dataset = datasets.find_dataset(session, organization_id, name)
        if dataset_queries.find_query(session, dataset.id) is None:
            raise UsageError(f"dataset {name!r} is not a query, so there is nothing to refresh")
    try:
        return refresh(workspace, dataset)
    except SourceProblemError as error:
        raise RefreshRejectedError.of(name, error) from None


def refresh(workspace: Workspace, dataset: Dataset) -> RefreshReport:
    """Take in what is new; raise SourceProblemError where the query or a row of it is bad."""
    with fetched(workspace, dataset) as new:
        if new is None:
            return RefreshReport(dataset=dataset.name)
        total = len(new)
        with workspace.store.write() as session:
            locked, _ = datasets.lock_dataset(session, dataset.organization_id, dataset.name)
            drop_known(session, locked, new)
            imported = len(new)
            version = _take_in(session, locked, new) if imported else None
    return RefreshReport(
        dataset=dataset.name,
        version=version,
        imported=imported,
        already_imported=total - imported,
        changed=new.changed,
    )


@contextmanager
def fetched(workspace: Workspace, dataset: Dataset) -> Iterator[RowSpool | None]:
    """Read the dataset's query into a spool; None for a dataset that is no query."""
    with workspace.store.read() as session:
        query = dataset_queries.find_query(session, dataset.id)
    if query is None:
        yield None
        return
    with TemporaryDirectory(prefix="seeding-") as folder, RowSpool.open(Path(folder)) as spool:
        with _opened(workspace, query) as rows:
            spool.fill(rows, query.key_columns, workspace.limits)
        yield spool


def drop_known(session: Session, dataset: Dataset, spool: RowSpool) -> None:
    """Leave in the spool what the dataset has not."""
    if dataset.row_count:
        for batch in spool.batches():
            keys = [key for key, _ in batch]
            spool.drop_known(dataset_queries.known_rows(session, dataset.id, keys), batch)


def changed_warnings(name: str, changed: int) -> tuple[str, ...]:
    """Return the sentence that tells of rows whose content has changed, if there are any."""
    if not changed:
        return ()
    told = f"{counted(changed, 'row')} of dataset {name!r} came with another content"
    return (f"{told} under a key that it has; what was there first stays",)


def columns_with(dataset: Dataset, spool: RowSpool) -> tuple[Column, ...]:
    """Return the columns of the dataset once the spool's rows are in it."""
    return joined_columns(dataset.columns, spool.columns) if dataset.row_count else spool.columns


@contextmanager
def _opened(workspace: Workspace, query: Query) -> Iterator[QueryRows]:
    url = query.connection
    if url.startswith(SECRET):
        url = workspace.read_secret(url.removeprefix(SECRET))
    with query_rows(url, query.query, workspace.limits) as rows:
        yield rows


def _take_in(session: Session, dataset: Dataset, spool: RowSpool) -> int:
    query = dataset_queries.find_query(session, dataset.id)
    if query is None:
        raise SourceProblemError(Problem("query_failed", "the dataset is no query any more"))
    at = datetime.now(UTC)
    version = datasets.add_version(
        session, dataset, source=query.connection, sha256=_hash(spool), at=at
    )
    count = dataset_queries.insert_keyed_rows(
        session, dataset.id, version, _arrays(spool, dataset.row_count)
    )
    datasets.complete_version(
        session,
        dataset,
        version,
        columns=columns_with(dataset, spool),
        row_count=count,
        replaces=False,
    )
    return version


def _arrays(spool: RowSpool, offset: int) -> Iterator[Sequence[pa.Array]]:
    for batch in spool.batches():
        keys, values = zip(*batch, strict=True)
        numbers = pa.array(range(offset + 1, offset + len(batch) + 1), pa.int64())
        offset += len(batch)
        yield numbers, pa.array(values, pa.string()), pa.array(keys, pa.string())


def _hash(spool: RowSpool) -> str:
    digest = sha256()
    for batch in spool.batches():
        digest.update("".join(key for key, _ in batch).encode())
    return digest.hexdigest()
