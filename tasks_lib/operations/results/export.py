"""Export results to files or a table: each finished task once, in the order of finishing.

A run records which part of that order it exports before it writes, and that the part is exported
after its files have appeared, or its rows are committed. A run that finds an unfinished part,
because another one died or is at work, exports the same part again: finished tasks do not change,
so the files have the same names and the same rows, and rows of a table replace those of the same
tasks. So neither a kill nor two runs at once leave a gap or a duplicate.
"""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path, PurePosixPath
from typing import Annotated, Final, NamedTuple

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from tasks_lib.domain.names import counted
from tasks_lib.domain.progress import OnProgress, Progress
from tasks_lib.domain.result_formats import ResultFormat
from tasks_lib.domain.results import ResultColumn
from tasks_lib.errors import ConflictError, UsageError
from tasks_lib.intake.rows.prefetch import prefetched
from tasks_lib.operations.results.copied_files import FilesToCopy, copy_missing
from tasks_lib.operations.results.destinations import TablePlace, find_table, hide_password
from tasks_lib.operations.results.local_files import LocalFiles
from tasks_lib.operations.results.part_files import PartFiles
from tasks_lib.operations.results.read import (
    MEMBERS,
    Scope,
    find_last,
    find_scope,
    narrow_scope,
    open_results,
)
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store import catalogue
from tasks_lib.store.results import result_exports
from tasks_lib.store.results.result_exports import ExportKey, Part, StoredExport
from tasks_lib.transport.filesystems import local_path
from tasks_lib.transport.put import join, list_files, put_file, remove_file
from tasks_lib.transport.temporary import temporary_folder, writing_temporary_files

_FINISH_NUMBER: Final = MEMBERS.index("finish_number")


@dataclass(frozen=True, kw_only=True)
class ExportRequest:
    """Which results to export, and where to: the path or URL of a folder, or a table.

    A table is the URL of its database, or ``secret:BLOCK``, and ``?table=NAME``. Without ``group``
    all results of the pipeline. With ``by_day`` the files are in a folder for each day (UTC) on
    which tasks were finished. ``full`` starts over: the files of earlier runs are replaced by new
    ones with all results, and so are the rows of a table. ``with_source`` adds the columns of the
    tasks that the results were created from. ``with_files`` copies the files of the results.
    """

    pipeline: str
    destination: str
    format: ResultFormat = ResultFormat.PARQUET
    group: int | None = None
    by_day: bool = False
    full: bool = False
    with_source: bool = False
    with_files: bool = False

    def __post_init__(self) -> None:
        if not self.destination.strip():
            raise UsageError("the destination is empty; give the path or URL of a folder")
        if self.table is not None:
            self._check_table()
            return
        local = local_path(self.destination)
        if local is not None and local.is_file():
            raise UsageError(f"{self.destination} is a file; give the path or URL of a folder")
        self._check_suffix()

    def _check_suffix(self) -> None:
        """Raise UsageError for a folder whose name ends like files of another format."""
        suffix = PurePosixPath(self.destination).suffix.removeprefix(".").lower()
        if suffix in set(ResultFormat) - {self.format}:
            raise UsageError(
                f"{self.destination} ends like a file of the format {suffix}, but it would be a "
                f"folder of {self.format} files; give the name of a folder and the format {suffix}"
            )

    def _check_table(self) -> None:
        if self.with_files:
            raise UsageError(f"{self.place} is a table, which holds no files; leave out with_files")
        if self.format is not ResultFormat.PARQUET or self.by_day:
            raise UsageError(
                f"{self.place} is a table, which has no format and no folders; leave out "
                f"{'by_day' if self.by_day else 'the format'}"
            )

    @cached_property
    def table(self) -> TablePlace | None:
        """The table that is the destination; None if it is a folder."""
        return find_table(self.destination)

    @property
    def place(self) -> str:
        """The destination, the same from wherever it is named."""
        if self.table is not None:
            return str(self.table)
        local = local_path(self.destination)
        return str(local.resolve()) if local is not None else self.destination.rstrip("/")

    @property
    def shown_place(self) -> str:
        """The destination without a password."""
        return self.place if self.table is not None else hide_password(self.place)

    @property
    def scope(self) -> str:
        """The identity of the export within its pipeline."""
        group = f" group:{self.group}" if self.group is not None else ""
        day = " by-day" if self.by_day else ""
        source = " with-source" if self.with_source else ""
        kind = f"{self.format}{day}" if self.table is None else "table"
        return f"{kind}{source}{group} {self.shown_place}"


class ExportReport(BaseModel):
    """The result of one export."""

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)

    pipeline_id: Annotated[int, Field(description="The pipeline whose results were exported.")]
    group_id: Annotated[int | None, Field(description="The group, if only its were.")] = None
    destination: Annotated[str, Field(description="The folder or table, without a password.")]
    format: Annotated[
        ResultFormat | None, Field(description="The format of the files; null for a table.")
    ]
    exported: Annotated[int, Field(description="Number of tasks that this run exported.")] = 0
    files: Annotated[tuple[str, ...], Field(description="The files that it wrote.")] = ()

    @property
    def sentence(self) -> str:
        """The result in one sentence, for a person."""
        if not self.exported:
            return f"nothing was finished since the last export to {self.destination}."
        if not self.files:
            return f"exported {counted(self.exported, 'task')} to {self.destination}."
        files = counted(len(self.files), "file")
        return f"exported {counted(self.exported, 'task')} to {self.destination}, in {files}."


def export_results(
    workspace: Workspace, request: ExportRequest, *, on_progress: OnProgress = lambda _: None
) -> ExportReport:
    """Export what was finished since the last run with the same request.

    Can be repeated after a failure at any moment. Raises NotFoundError, UsageError,
    StorageRefusedError if the destination may not be written, ConflictError if a table does not fit
    the results or takes those of another pipeline, and UnavailableError.
    """
    pipeline = find_scope(workspace.store, request.pipeline)
    scope = narrow_scope(workspace.store, pipeline, request.group)
    exported: dict[str, int] = {}
    if request.with_files and not request.full:
        copy_missing(workspace, scope, request.scope, request.place)
    while True:
        begun = _begin(workspace, scope, request)
        if begun is None:
            return _report(scope, request, exported)
        export, part = begun.export, begun.part
        if request.table is None:
            files = _export_files(workspace, scope, request, part, on_progress)
        else:
            files = _export_rows(
                workspace,
                scope,
                request,
                request.table,
                part,
                on_progress,
                starts_over=part.after == 0 and (request.full or export.exported_until > 0),
            )
        is_done = _complete(workspace, scope, request, part, files)
        if is_done:
            exported |= files
        elif request.table is None:
            _remove_superseded(workspace, scope, request, part, files)
        # The part of a run that died or is at work ends where that run had begun.
        if is_done and begun.is_new:
            return _report(scope, request, exported)


class _Begun(NamedTuple):
    """An export and the part of it to export now; ``is_new`` unless another run has begun it."""

    export: StoredExport
    part: Part
    is_new: bool


def _begin(workspace: Workspace, scope: Scope, request: ExportRequest) -> _Begun | None:
    """Record which part to export, unless another run has begun one; return None without news."""
    key = ExportKey(scope.pipeline.id, request.scope)
    with workspace.store.write() as session:
        if request.table is not None:
            _check_table_is_ours(session, scope, request.place)
        export = result_exports.ensure_export(
            session,
            key,
            destination=request.shown_place,
            group_id=request.group,
            at=workspace.store.now(),
        )
    if export.pending is not None:
        return _Begun(export, export.pending, is_new=False)
    last = find_last(workspace.store, scope.pipeline.id)
    part = Part(0 if request.full else export.exported_until, last)
    if part.until <= part.after:
        return None
    with workspace.store.write() as session:
        begun = result_exports.begin_part(session, key, part, known=export.exported_until)
    if begun.pending is not None:
        return _Begun(begun, begun.pending, is_new=begun.pending == part)
    return None if begun.exported_until >= last else _begin(workspace, scope, request)


def _check_table_is_ours(session: Session, scope: Scope, place: str) -> None:
    """Raise ConflictError if the table takes the results of another pipeline."""
    for pipeline_id in result_exports.list_exporting(session, place):
        if pipeline_id != scope.pipeline.id:
            path = catalogue.get_pipeline(session, pipeline_id).path
            raise ConflictError(
                f"{place} takes the results of pipeline {path}; name another table for those of "
                f"{scope.pipeline.path}"
            )


def _export_files(
    workspace: Workspace,
    scope: Scope,
    request: ExportRequest,
    part: Part,
    on_progress: OnProgress,
) -> Mapping[str, int]:
    """Bring the files of a part to the destination; return their numbers of rows."""
    seconds = workspace.limits.retry_seconds
    with temporary_folder() as folder, FilesToCopy.open(folder) as copies:
        files, _ = _write(workspace, scope, request, part, folder, on_progress, copies)
        copies.copy(request.place, folder, seconds=seconds)  # before the rows that name them
        for name in files:
            put_file(folder / name, join(request.place, name), seconds=seconds)
    if part.after == 0:
        for name, earlier in _list_parts(scope, request, seconds):
            if earlier.until <= part.until and name not in files:
                remove_file(join(request.place, name), seconds=seconds)
    return files


def _remove_superseded(
    workspace: Workspace,
    scope: Scope,
    request: ExportRequest,
    part: Part,
    files: Mapping[str, int],
) -> None:
    """Remove files that this run has written after another one had replaced them by larger ones."""
    seconds = workspace.limits.retry_seconds
    parts = [other for _, other in _list_parts(scope, request, seconds)]
    if any(other.after <= part.after and other.until > part.until for other in parts):
        for name in files:
            remove_file(join(request.place, name), seconds=seconds)


def _list_parts(scope: Scope, request: ExportRequest, seconds: float) -> list[tuple[str, Part]]:
    """Return the files of this export that are at the destination, with their parts."""
    naming = _naming(scope, request)
    names = list_files(request.place, seconds=seconds)
    return [(name, part) for name in names if (part := naming.read_part(name)) is not None]


def _naming(scope: Scope, request: ExportRequest) -> PartFiles:
    return PartFiles.of(
        scope.pipeline.id,
        scope.group_id,
        format=request.format,
        by_day=request.by_day,
        with_source=request.with_source,
    )


def _export_rows(
    workspace: Workspace,
    scope: Scope,
    request: ExportRequest,
    place: TablePlace,
    part: Part,
    on_progress: OnProgress,
    *,
    starts_over: bool,
) -> Mapping[str, int]:
    """Bring the rows of a part to a table; return the number of rows by a file's name.

    They are first written to a local file, so that the store is read no longer than that takes.
    """
    from tasks_lib.output.result_table import Replaced, write_table  # noqa: PLC0415 - loads alembic

    with temporary_folder() as folder:
        files, columns = _write(workspace, scope, request, part, folder, on_progress)
        for name, rows in files.items():
            write_table(
                folder / name,
                workspace.read_connection(place.connection),
                place.table,
                columns,
                replaces=Replaced(scope.group_id) if starts_over else None,
                seconds=workspace.limits.retry_seconds,
                on_rows=partial(_tell_rows, on_progress, rows),
            )
    return files


def _tell_rows(on_progress: OnProgress, rows: int, done: int) -> None:
    on_progress(Progress(done, rows, done))


class _Written(NamedTuple):
    """The files with their numbers of rows, and the columns of all of them."""

    files: Mapping[str, int]
    columns: Sequence[ResultColumn]


def _write(
    workspace: Workspace,
    scope: Scope,
    request: ExportRequest,
    part: Part,
    folder: Path,
    on_progress: OnProgress,
    copies: FilesToCopy | None = None,
) -> _Written:
    """Write the results of a part to files in a local folder."""
    done = 0
    with (
        writing_temporary_files(),
        open_results(
            workspace.store,
            scope,
            after=part.after,
            up_to=part.until,
            with_source=request.with_source,
            as_columns=request.format is ResultFormat.PARQUET and not request.with_files,
        ) as results,
        LocalFiles(folder, _naming(scope, request), part, results.columns) as files,
        closing(prefetched(results.batches)) as batches,
    ):
        for rows in batches:
            files.write(rows)
            if copies is not None and request.with_files:
                copies.note(results.columns, rows)
            done += len(rows)
            place = rows[-1][_FINISH_NUMBER] - part.after
            on_progress(Progress(place, part.until - part.after, done))
        return _Written(files.rows, results.columns)


def _complete(
    workspace: Workspace,
    scope: Scope,
    request: ExportRequest,
    part: Part,
    files: Mapping[str, int],
) -> bool:
    with workspace.store.write() as session:
        return result_exports.complete_part(
            session,
            ExportKey(scope.pipeline.id, request.scope),
            part,
            exported=sum(files.values()),
            announce_at=workspace.store.now(),
            with_files=request.with_files,
        )


def _report(scope: Scope, request: ExportRequest, files: Mapping[str, int]) -> ExportReport:
    return ExportReport(
        pipeline_id=scope.pipeline.id,
        group_id=scope.group_id,
        destination=request.shown_place,
        format=request.format if request.table is None else None,
        exported=sum(files.values()),
        files=tuple(files) if request.table is None else (),
    )
