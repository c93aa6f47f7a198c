"""Export results to the destinations that catalogues declare."""

from collections.abc import Iterator
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from tasks_lib.domain.catalogue import ResultsEntry
from tasks_lib.domain.names import counted
from tasks_lib.domain.progress import OnProgress
from tasks_lib.domain.result_formats import ResultFormat
from tasks_lib.errors import SeedingError, StorageRefusedError, StorageUnavailableError, UsageError
from tasks_lib.operations.results.export import ExportReport, ExportRequest, export_results
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store import catalogue
from tasks_lib.store.engine import Store
from tasks_lib.store.results import declared_results
from tasks_lib.store.results.declared_results import DeclaredResults


class DeclaredReport(BaseModel):
    """The result of exporting to declared destinations."""

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)

    exports: Annotated[
        tuple[ExportReport, ...], Field(description="The report of each destination.")
    ] = ()

    @property
    def sentence(self) -> str:
        """The result in one sentence, for a person."""
        if not self.exports:
            return "no catalogue declares where results go."
        news = [export for export in self.exports if export.exported]
        if not news:
            return "nothing was finished since the last exports."
        places = counted(len(self.exports), "destination")
        return f"exported new results to {len(news):,} of {places}."


class Options(NamedTuple):
    """Options of an export that the catalogue decides if no destination is named."""

    format: ResultFormat = ResultFormat.PARQUET
    group: int | None = None
    by_day: bool = False
    with_source: bool = False
    with_files: bool = False

    def check_none(self) -> None:
        """Raise UsageError for an option that is given."""
        for name, value in self._asdict().items():
            if value != self._field_defaults[name]:
                raise UsageError(f"{name} needs a destination; without one, the catalogue decides")


def export_declared(
    workspace: Workspace,
    pipeline: str = "",
    *,
    full: bool = False,
    on_progress: OnProgress = lambda _: None,
) -> DeclaredReport:
    """Export to all destinations that catalogues declare for a pipeline, or for all of them.

    A destination that fails does not keep the others from their results. Afterwards raises
    StorageUnavailableError if a repetition can help, and StorageRefusedError otherwise. Raises
    NotFoundError if there is no such pipeline, and UsageError if it declares no destination.
    """
    requests = _list_requests(workspace.store, pipeline, full=full)
    reports: list[ExportReport] = []
    failures: list[tuple[str, SeedingError]] = []
    for name, request in requests:
        try:
            reports.append(export_results(workspace, request, on_progress=on_progress))
        except SeedingError as error:
            failures.append((name, error))
    if failures:
        message = "; ".join(f"{name}: {error}" for name, error in failures)
        is_transient = any(error.is_transient for _, error in failures)
        raise (StorageUnavailableError if is_transient else StorageRefusedError)(message)
    return DeclaredReport(exports=tuple(reports))


def make_declared(entry: ResultsEntry) -> DeclaredResults:
    """Return the stored form of a catalogue's entry; raise UsageError if it cannot be used."""
    request = ExportRequest(
        pipeline="",
        destination=entry.url,
        format=entry.format,
        by_day=entry.by_day,
        with_source=entry.with_source,
        with_files=entry.with_files,
    )
    return DeclaredResults(
        entry.name,
        entry.url,
        entry.format,
        entry.by_day,
        entry.with_source,
        entry.with_files,
        request.scope,
    )


def _list_requests(store: Store, pipeline: str, *, full: bool) -> list[tuple[str, ExportRequest]]:
    """Return the name of each declared export, and the request that makes it."""
    with store.read() as session:
        if pipeline:
            found = catalogue.find_pipeline(session, pipeline)
            requests = list(_requests_of(session, found.id, full=full))
            if not requests:
                raise UsageError(
                    f"no catalogue declares where the results of {found.path} go; name a "
                    "destination, or add results to its entry in the catalogue"
                )
            return requests
        return [
            request
            for pipeline_id in declared_results.list_pipelines(session)
            for request in _requests_of(session, pipeline_id, full=full)
        ]


def _requests_of(
    session: Session, pipeline_id: int, *, full: bool
) -> Iterator[tuple[str, ExportRequest]]:
    path = catalogue.get_pipeline(session, pipeline_id).path
    for entry in declared_results.list_declared(session, pipeline_id):
        yield (
            f"{entry.name} of {path}",
            ExportRequest(
                pipeline=str(pipeline_id),
                destination=entry.url,
                format=entry.format,
                by_day=entry.by_day,
                with_source=entry.with_source,
                with_files=entry.with_files,
                full=full,
            ),
        )
