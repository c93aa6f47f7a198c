"""Seed a pipeline from a ZIP: each row of its CSV makes one task, with the files that it names.

Three acts: survey the archive and its rows; store the files that rows name, by their content; make
the tasks, in one transaction. Whatever ends the second or third leaves stored files without tasks
at most, which ``reconcile`` removes.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar, Final

import orjson
from sqlalchemy.orm import Session

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.fields import Field, FieldType
from tasks_lib.domain.files import FileValue, allows
from tasks_lib.domain.names import counted, visible
from tasks_lib.domain.problems import Problem, SourceProblemError
from tasks_lib.domain.values import Reader, ValueProblemError, reader_of, with_empty
from tasks_lib.intake.archive_directory import Entry
from tasks_lib.intake.archives import Archive
from tasks_lib.intake.csv_intake import CsvIntake
from tasks_lib.intake.progress import OnProgress
from tasks_lib.intake.ranges import open_ranges
from tasks_lib.intake.row_intake import RowBatch
from tasks_lib.intake.sources import SourceFile
from tasks_lib.operations.file_sources import CsvRequest, FileRows
from tasks_lib.operations.loading import Seeded, load_rows
from tasks_lib.operations.stored_files import StoredFiles, store_files
from tasks_lib.operations.workspace import Workspace
from tasks_lib.policy.intake_rules import why_no_zip
from tasks_lib.store import catalogue
from tasks_lib.store.files import refer_to_files

_UNNAMED_SHOWN: Final = 10


@dataclass(frozen=True)
class ZipRequest(CsvRequest):
    """Which ZIP to seed from; ``csv_name`` names its CSV where it holds several."""

    csv_name: str = ""


@dataclass(frozen=True)
class Survey:
    """What an archive holds, as far as its rows are concerned.

    ``named`` are the files that rows name and the archive holds; ``is_hopeless`` says that the rows
    alone turn the archive away, so that its files need not be looked at.
    """

    archive: Archive
    csv: SourceFile
    pipeline: Pipeline
    named: tuple[Entry, ...]
    unnamed: tuple[str, ...]
    is_hopeless: bool


def seed_from_zip(
    workspace: Workspace,
    request: ZipRequest,
    *,
    run_id: str,
    on_progress: OnProgress = lambda _: None,
) -> Seeded:
    """Survey the archive, store its files, make the tasks; see the three for what they raise."""
    with workspace.store.read() as session:
        pipeline = catalogue.find_pipeline(session, request.pipeline)
    with TemporaryDirectory(prefix="seeding-") as folder, ExitStack() as resources:
        survey = survey_zip(workspace, pipeline, request, Path(folder), resources)
        files = store_named_files(workspace, request, survey, on_progress=on_progress)
        return load_zip(
            workspace, pipeline, request, survey, files, run_id=run_id, on_progress=on_progress
        )


def survey_zip(
    workspace: Workspace,
    pipeline: Pipeline,
    request: ZipRequest,
    folder: Path,
    resources: ExitStack,
) -> Survey | SourceProblemError:
    """Read the archive's directory and its CSV, and find the files that the rows name.

    The CSV is unpacked into ``folder``; ``resources`` keeps the archive open. Returns what makes
    the archive unusable, which belongs into the report. Raises StorageUnavailableError.
    """
    try:
        _check_takes_zip(pipeline)
        file = resources.enter_context(open_ranges(request.source, workspace.limits))
        archive = Archive(file, workspace.limits)
        entry = archive.csv(request.csv_name)
        csv = archive.extract(entry, folder / "rows.csv")
        cells = FileCells(archive)
        is_hopeless = _is_hopeless(workspace, pipeline, request, csv, cells)
        unnamed = archive.others({entry, *cells.named.values()})
    except SourceProblemError as problem:
        return problem
    return Survey(archive, csv, pipeline, tuple(cells.named.values()), tuple(unnamed), is_hopeless)


def store_named_files(
    workspace: Workspace,
    request: ZipRequest,
    survey: Survey | SourceProblemError,
    *,
    on_progress: OnProgress = lambda _: None,
) -> StoredFiles | SourceProblemError:
    """Read the files that rows name and store them, unless that is in vain; see ``store_files``."""
    if isinstance(survey, SourceProblemError):
        return survey
    if survey.is_hopeless:
        return {}
    try:
        return store_files(
            workspace,
            survey.archive,
            survey.named,
            is_in_vain=_is_in_vain(request, survey.pipeline),
            on_progress=on_progress,
        )
    except SourceProblemError as problem:
        return problem


def load_zip(
    workspace: Workspace,
    pipeline: Pipeline,
    request: ZipRequest,
    survey: Survey | SourceProblemError,
    files: StoredFiles | SourceProblemError,
    *,
    run_id: str,
    on_progress: OnProgress = lambda _: None,
) -> Seeded:
    """Make the tasks, or say in the report why not; see ``load_rows``."""
    rows: ZipRows | SourceProblemError
    if isinstance(survey, SourceProblemError):
        rows = survey
    elif isinstance(files, SourceProblemError):
        rows = files
    else:
        rows = ZipRows(workspace, request, survey, files)
    seeded = load_rows(workspace, pipeline, request, rows, run_id=run_id, on_progress=on_progress)
    if not isinstance(rows, ZipRows):
        return seeded
    unnamed = rows.survey.unnamed
    warnings = (_unnamed_files(unnamed),) if unnamed else ()
    return seeded._replace(files=len(rows.files), warnings=warnings)


@dataclass
class FileCells:
    """Reads the cells of file fields: paths in the archive.

    Without ``files`` a path is only looked up, and remembered in ``named``; with them it becomes
    the value of the stored file.
    """

    archive: Archive
    files: StoredFiles | None = None
    named: dict[str, Entry] = field(default_factory=dict)

    def reader_of(self, field: Field) -> Reader:
        """Return the reader of a field's cells, whatever its type."""
        if field.type is not FieldType.FILE:
            return reader_of(field)
        return with_empty(field, lambda cell: self._read(field, cell))

    def _read(self, field: Field, cell: str) -> str:
        entry = self.archive.find(cell)
        if field.max_bytes is not None and entry.size > field.max_bytes:
            message = f"{visible(cell)} has {entry.size:,} bytes, {field.max_bytes:,} are allowed"
            raise ValueProblemError("file_too_large", message)
        self.named[entry.path] = entry
        if self.files is None:
            return "null"
        value = self.files[entry.path]
        if not allows(field.content_types, value.content_type):
            allowed = ", ".join(field.content_types or ())
            message = (
                f"{visible(cell)} is {value.content_type}, as its content says; "
                f"allowed are {allowed}"
            )
            raise ValueProblemError("content_type_not_allowed", message)
        return value.json


class ZipIntake(CsvIntake):
    """The rows of an archive's CSV; ``uris`` are the stored files of the good ones so far."""

    def __init__(
        self,
        workspace: Workspace,
        request: ZipRequest,
        pipeline: Pipeline,
        csv: SourceFile,
        cells: FileCells,
        on_progress: OnProgress = lambda _: None,
    ) -> None:
        self.uris: set[str] = set()
        self._file_fields = [field.name for field in pipeline.file_fields]
        super().__init__(
            csv,
            pipeline.dataset_fields,
            workspace.limits,
            delimiter=request.delimiter,
            encoding=request.encoding,
            reader_of=cells.reader_of,
            on_progress=on_progress,
        )

    def batches(self) -> Iterator[RowBatch]:
        """Yield the good rows, as every intake of a CSV does; see there."""
        for batch in super().batches():
            for task in map(orjson.loads, batch.values.to_pylist()):
                values = (task[name] for name in self._file_fields)
                self.uris.update(value["uri"] for value in values if value is not None)
            yield batch


@dataclass
class ZipRows(FileRows):
    """The rows of an archive's CSV with their stored files, as a source of tasks."""

    kind: ClassVar[str] = "zip"
    workspace: Workspace
    request: ZipRequest
    survey: Survey
    files: StoredFiles
    intake: ZipIntake | None = None

    @property
    def is_hopeless(self) -> bool:  # type: ignore[override]
        """Whether the rows alone turn the archive away."""
        return self.survey.is_hopeless

    @property
    def content(self) -> str:
        """The CSV's bytes and those of the files it names, however they are packed."""
        files = sorted((path, value.sha256) for path, value in self.files.items())
        listed = json.dumps([self.survey.csv.sha256, files]).encode()
        return f"zip-sha256:{hashlib.sha256(listed).hexdigest()}"

    def check(self, pipeline: Pipeline) -> None:
        """Raise SourceProblemError unless the pipeline takes tasks from it, as surveyed."""
        _check_takes_zip(pipeline)
        if pipeline.dataset_fields != self.survey.pipeline.dataset_fields:
            message = (
                f"pipeline {pipeline.path} was given other fields while the archive was read; "
                "seed it again"
            )
            raise SourceProblemError(Problem("pipeline_changed", message))

    def open(self, pipeline: Pipeline, on_progress: OnProgress) -> CsvIntake:
        """Begin to read the rows."""
        files = None if self.survey.is_hopeless else self.files
        cells = FileCells(self.survey.archive, files)
        self.intake = ZipIntake(
            self.workspace, self.request, pipeline, self.survey.csv, cells, on_progress
        )
        return self.intake

    def record(self, session: Session, group_id: int) -> None:
        """Refer to the files of the tasks, so that they are kept."""
        assert self.intake is not None  # noqa: S101
        refer_to_files(session, group_id, self.intake.uris)


def _is_in_vain(request: ZipRequest, pipeline: Pipeline) -> Callable[[FileValue], bool]:
    """Return the test whether, given a file that was found, no file needs to be stored."""

    def is_in_vain(value: FileValue) -> bool:
        return request.dry_run or (
            request.is_strict
            and not any(
                allows(field.content_types, value.content_type) for field in pipeline.file_fields
            )
        )

    return is_in_vain


def _is_hopeless(
    workspace: Workspace,
    pipeline: Pipeline,
    request: ZipRequest,
    csv: SourceFile,
    cells: FileCells,
) -> bool:
    """Read all rows, for the files that they name; tell whether none of them can become a task."""
    try:
        with ZipIntake(workspace, request, pipeline, csv, cells) as intake:
            for _ in intake.batches():
                pass
    except SourceProblemError:  # it comes again where it is reported
        return True
    return not intake.good or (request.is_strict and bool(intake.rejected))


def _check_takes_zip(pipeline: Pipeline) -> None:
    refusal = why_no_zip(pipeline)
    if refusal is not None:
        raise SourceProblemError(refusal)


def _unnamed_files(paths: Collection[str]) -> str:
    shown = ", ".join(visible(path) for path in list(paths)[:_UNNAMED_SHOWN])
    more = ", ..." if len(paths) > _UNNAMED_SHOWN else ""
    verb = "is" if len(paths) == 1 else "are"
    return f"{counted(len(paths), 'file')} of the archive {verb} named by no row: {shown}{more}"
