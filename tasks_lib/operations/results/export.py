"""Export results to files: each finished task once, in the order of finishing.

A run records which part of that order it exports before it writes, and that the part is exported
after its files have appeared. A run that finds an unfinished part, because another one died or is
at work, exports the same part again: finished tasks do not change, so the files have the same names
and the same rows. So neither a kill nor two runs at once leave a gap or a duplicate.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from tasks_lib.domain.names import counted
from tasks_lib.domain.progress import OnProgress, Progress
from tasks_lib.domain.result_formats import ResultFormat
from tasks_lib.errors import UsageError
from tasks_lib.operations.results.read import (
    MEMBERS,
    Scope,
    find_last,
    find_scope,
    narrow_scope,
    open_results,
)
from tasks_lib.operations.workspace import Workspace
from tasks_lib.output.result_files import ResultFile, open_result_file
from tasks_lib.store import result_exports
from tasks_lib.store.result_exports import ExportKey, Part
from tasks_lib.transport.filesystems import local_path
from tasks_lib.transport.put import join, list_files, put_file, remove_file
from tasks_lib.transport.temporary import temporary_folder, writing_temporary_files

_PASSWORD: Final = re.compile(r"(?<=://)[^/@]*@")
_DIGITS: Final = 16
_FINISHED_AT: Final = MEMBERS.index("finished_at")


@dataclass(frozen=True, kw_only=True)
class ExportRequest:
    """Which results to export, and where to: the path or URL of a folder.

    Without ``group`` all results of the pipeline. With ``by_day`` the files are in a folder for
    each day (UTC) on which tasks were finished. ``full`` starts over: the files of earlier runs are
    replaced by new ones with all results. ``with_source`` adds the columns of the tasks that the
    results were created from.
    """

    pipeline: str
    destination: str
    format: ResultFormat = ResultFormat.PARQUET
    group: int | None = None
    by_day: bool = False
    full: bool = False
    with_source: bool = False

    def __post_init__(self) -> None:
        if not self.destination.strip():
            raise UsageError("the destination is empty; give the path or URL of a folder")
        local = local_path(self.destination)
        if local is not None and local.is_file():
            raise UsageError(f"{self.destination} is a file; give the path or URL of a folder")

    @property
    def place(self) -> str:
        """The destination, the same from wherever it is named."""
        local = local_path(self.destination)
        return str(local.resolve()) if local is not None else self.destination.rstrip("/")

    @property
    def shown_place(self) -> str:
        """The destination without a password."""
        return _PASSWORD.sub("", self.place)

    @property
    def scope(self) -> str:
        """The identity of the export within its pipeline."""
        group = f" group:{self.group}" if self.group is not None else ""
        day = " by-day" if self.by_day else ""
        source = " with-source" if self.with_source else ""
        return f"{self.format}{day}{source}{group} {self.shown_place}"


class ExportReport(BaseModel):
    """The result of one export."""

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)

    pipeline_id: Annotated[int, Field(description="The pipeline whose results were exported.")]
    group_id: Annotated[int | None, Field(description="The group, if only its were.")] = None
    destination: Annotated[str, Field(description="The folder, without a password.")]
    format: Annotated[ResultFormat, Field(description="The format of the files.")]
    exported: Annotated[int, Field(description="Number of tasks that this run exported.")] = 0
    files: Annotated[tuple[str, ...], Field(description="The files that it wrote.")] = ()

    @property
    def sentence(self) -> str:
        """The result in one sentence, for a person."""
        if not self.exported:
            return f"nothing was finished since the last export to {self.destination}."
        files = counted(len(self.files), "file")
        return f"exported {counted(self.exported, 'task')} to {self.destination}, in {files}."


def export_results(
    workspace: Workspace, request: ExportRequest, *, on_progress: OnProgress = lambda _: None
) -> ExportReport:
    """Export what was finished since the last run with the same request.

    Can be repeated after a failure at any moment. Raises NotFoundError, UsageError,
    StorageRefusedError if the destination may not be written, and UnavailableError.
    """
    pipeline = find_scope(workspace.store, request.pipeline)
    scope = narrow_scope(workspace.store, pipeline, request.group)
    while True:
        part = _begin(workspace, scope, request)
        if part is None:
            return _report(scope, request)
        files = _export(workspace, scope, request, part, on_progress)
        is_done = _complete(workspace, scope, request, part, files)
        # The part of another run may be from where it had come to, and not from the beginning.
        if is_done and not (request.full and part.after):
            return _report(scope, request, files)


def _begin(workspace: Workspace, scope: Scope, request: ExportRequest) -> Part | None:
    """Record which part to export, or return that of another run; None without news."""
    key = ExportKey(scope.pipeline.id, request.scope)
    with workspace.store.write() as session:
        export = result_exports.ensure_export(
            session, key, destination=request.shown_place, group_id=request.group
        )
    if export.pending is not None:
        return export.pending
    last = find_last(workspace.store, scope.pipeline.id)
    part = Part(0 if request.full else export.exported_until, last)
    if part.until <= part.after:
        return None
    with workspace.store.write() as session:
        begun = result_exports.begin_part(session, key, part, known=export.exported_until)
    return begun.pending or (
        None if begun.exported_until >= last else _begin(workspace, scope, request)
    )


def _export(
    workspace: Workspace,
    scope: Scope,
    request: ExportRequest,
    part: Part,
    on_progress: OnProgress,
) -> Mapping[str, int]:
    """Bring the files of a part to the destination; return their numbers of rows."""
    seconds = workspace.limits.retry_seconds
    with temporary_folder() as folder:
        files = _write(workspace, scope, request, part, folder, on_progress)
        for name in files:
            put_file(folder / name, join(request.place, name), seconds=seconds)
    if part.after == 0:
        for name in _earlier_files(scope, request, files, seconds):
            remove_file(join(request.place, name), seconds=seconds)
    return files


def _write(
    workspace: Workspace,
    scope: Scope,
    request: ExportRequest,
    part: Part,
    folder: Path,
    on_progress: OnProgress,
) -> Mapping[str, int]:
    """Write the results of a part to files in a local folder; return their numbers of rows."""
    files: dict[str, ResultFile] = {}
    done = 0
    with (
        ExitStack() as opened,
        writing_temporary_files(),
        open_results(
            workspace.store,
            scope,
            after=part.after,
            up_to=part.until,
            with_source=request.with_source,
        ) as results,
    ):
        for rows in results.batches:
            for name, of_name in _by_file(scope, request, part, rows):
                if name not in files:
                    path = folder / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    file = open_result_file(path, request.format, results.columns, MEMBERS)
                    opened.callback(file.close)
                    files[name] = file
                files[name].write(of_name)
            done += len(rows)
            on_progress(Progress(done, done, done))
    return {name: file.rows for name, file in files.items()}


def _by_file(
    scope: Scope, request: ExportRequest, part: Part, rows: Sequence[Sequence[Any]]
) -> Iterator[tuple[str, Sequence[Sequence[Any]]]]:
    """Yield the name of each file with its rows."""
    places = f"{part.after + 1:0{_DIGITS}d}-{part.until:0{_DIGITS}d}"
    name = f"{_stem(scope, request)}{places}.{request.format}"
    if not request.by_day:
        yield name, rows
        return
    for day, of_day in groupby(rows, key=_day_of):
        yield f"finished_on={day.isoformat()}/{name}", list(of_day)


def _day_of(row: Sequence[Any]) -> date:
    finished_at: datetime = row[_FINISHED_AT]
    return finished_at.astimezone(UTC).date()


def _stem(scope: Scope, request: ExportRequest) -> str:
    """Return how the names of the scope's files begin, which tells them from others' files."""
    group = f"group-{scope.group_id}-" if scope.group_id is not None else ""
    source = "with-source-" if request.with_source else ""
    return f"results-{scope.pipeline.id}-{group}{source}"


def _earlier_files(
    scope: Scope, request: ExportRequest, files: Mapping[str, int], seconds: float
) -> list[str]:
    """Return the files of earlier runs, which the results from the beginning replace."""
    day = "finished_on=[0-9-]{10}/" if request.by_day else ""
    ours = re.compile(
        rf"{day}{_stem(scope, request)}[0-9]{{{_DIGITS}}}-[0-9]{{{_DIGITS}}}\.{request.format}"
    )
    return [
        name
        for name in list_files(request.place, seconds=seconds)
        if ours.fullmatch(name) and name not in files
    ]


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
        )


def _report(
    scope: Scope, request: ExportRequest, files: Mapping[str, int] | None = None
) -> ExportReport:
    names = files or {}
    return ExportReport(
        pipeline_id=scope.pipeline.id,
        group_id=scope.group_id,
        destination=request.shown_place,
        format=request.format,
        exported=sum(names.values()),
        files=tuple(names),
    )
