"""Seed a pipeline from a ZIP: each row of its CSV becomes one task, with the files that it names.

There are three acts: survey the archive and its rows; store the files that rows name, by their
content; create the tasks in one transaction. If the second or third is interrupted, stored files
without tasks may remain, which ``reconcile`` removes.
"""

import hashlib
import json
from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Final

from sqlalchemy.orm import Session

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.files import FileValue, allows
from tasks_lib.domain.intake_rules import why_no_zip
from tasks_lib.domain.names import counted, visible
from tasks_lib.domain.progress import OnProgress
from tasks_lib.domain.statuses import SeedKind
from tasks_lib.errors import Problem, SourceProblemError
from tasks_lib.intake.archives.archive_directory import Entry
from tasks_lib.intake.archives.archives import Archive
from tasks_lib.intake.archives.zip_intake import FileCells, open_zip_csv
from tasks_lib.intake.rows.checked_rows import CheckKeys
from tasks_lib.intake.rows.row_intake import RowIntake
from tasks_lib.operations.seeding.file_sources import CsvRequest, FileRowSource
from tasks_lib.operations.seeding.loading import load_rows
from tasks_lib.operations.seeding.reports import Seeded, seed
from tasks_lib.operations.seeding.stored_files import StoredFiles, store_files
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store.files import refer_to_files
from tasks_lib.transport.fetch import SourceFile
from tasks_lib.transport.ranges import open_ranges
from tasks_lib.transport.temporary import temporary_folder

_UNNAMED_SHOWN: Final = 10


@dataclass(frozen=True, kw_only=True)
class ZipRequest(CsvRequest):
    """Which ZIP to seed from; ``csv_name`` selects its CSV if it holds several.

    ``names_encoding`` is that of names in the ZIP that do not say theirs.
    """

    csv_name: str = ""
    names_encoding: str = ""


@dataclass(frozen=True)
class Survey:
    """The content of an archive as far as it concerns the rows.

    ``named`` are the files of the archive that rows name; ``unnamed`` are the others, if all rows
    could be read. With ``is_hopeless`` the rows alone get the archive rejected, so that its files
    need not be read.
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
    """Survey the archive, store its files and load its rows, or return the report of the rejection.

    Idempotent for a ``run_id``. Raises NotFoundError for the pipeline, and UnavailableError.
    """

    def load(pipeline: Pipeline) -> Seeded:
        with temporary_folder() as folder, ExitStack() as resources:
            survey = survey_zip(workspace, pipeline, request, folder, resources)
            files = store_named_files(workspace, request, survey, on_progress=on_progress)
            return load_zip(
                workspace, pipeline, request, survey, files, run_id=run_id, on_progress=on_progress
            )

    return seed(workspace, request, load, run_id=run_id)


def survey_zip(
    workspace: Workspace,
    pipeline: Pipeline,
    request: ZipRequest,
    folder: Path,
    resources: ExitStack,
) -> Survey:
    """Read the archive's directory and its CSV, and find the files that the rows name.

    The CSV is unpacked into ``folder``; ``resources`` keeps the archive open. Raises
    SourceProblemError where the archive is unusable, and StorageUnavailableError.
    """
    _check_takes_zip(pipeline)
    file = resources.enter_context(open_ranges(request.source, workspace.limits))
    archive = Archive(file, workspace.limits, request.names_encoding)
    entry = archive.csv(request.csv_name)
    csv = archive.extract(entry, folder / "rows.csv")
    cells = FileCells(archive)
    intake = _read_through(workspace, pipeline, request, csv, cells)
    named = tuple(cells.named.values())
    if intake is None:
        return Survey(archive, csv, pipeline, named, unnamed=(), is_hopeless=True)
    unnamed = tuple(archive.others({entry, *named}))
    is_hopeless = not intake.good or request.tolerance.refuses(intake.rejected, intake.rows_read)
    return Survey(archive, csv, pipeline, named, unnamed, is_hopeless)


def store_named_files(
    workspace: Workspace,
    request: ZipRequest,
    survey: Survey,
    *,
    on_progress: OnProgress = lambda _: None,
) -> StoredFiles:
    """Store the files that rows name, unless the rows are rejected anyway; see ``store_files``."""
    if survey.is_hopeless:
        return {}
    return store_files(
        workspace,
        survey.archive,
        survey.named,
        should_skip=_skip_rule(request, survey.pipeline),
        on_progress=on_progress,
    )


def load_zip(
    workspace: Workspace,
    pipeline: Pipeline,
    request: ZipRequest,
    survey: Survey,
    files: StoredFiles,
    *,
    run_id: str,
    on_progress: OnProgress = lambda _: None,
) -> Seeded:
    """Check the rows of the archive's CSV and create their tasks; see ``load_rows`` for errors."""
    rows = ZipRows(workspace, request, survey, files)
    return load_rows(workspace, pipeline, request, rows, run_id=run_id, on_progress=on_progress)


@dataclass
class ZipRows(FileRowSource):
    """The rows of an archive's CSV, with their stored files, as a source of tasks."""

    kind: ClassVar[SeedKind] = SeedKind.ZIP
    workspace: Workspace
    request: ZipRequest
    survey: Survey
    files: StoredFiles

    @cached_property
    def cells(self) -> FileCells:
        """The reader of the cells that name files, which notes the files of good rows."""
        return FileCells(self.survey.archive, None if self.survey.is_hopeless else self.files)

    @property
    def is_hopeless(self) -> bool:
        """Whether the rows alone get the archive rejected."""
        return self.survey.is_hopeless

    @property
    def content(self) -> str:
        """The hash of the CSV and of the files that it names, however they are packed."""
        files = sorted((path, value.sha256) for path, value in self.files.items())
        listed = json.dumps([self.survey.csv.sha256, files]).encode()
        return f"zip-sha256:{hashlib.sha256(listed).hexdigest()}"

    def check(self, pipeline: Pipeline) -> None:
        """Raise SourceProblemError unless the pipeline takes tasks from a ZIP, as surveyed."""
        _check_takes_zip(pipeline)
        if pipeline.dataset_fields != self.survey.pipeline.dataset_fields:
            message = (
                f"pipeline {pipeline.path} was given other fields while the archive was read; "
                "seed it again"
            )
            raise SourceProblemError(Problem("pipeline_changed", message))

    def open(
        self, pipeline: Pipeline, on_progress: OnProgress, check_keys: CheckKeys | None = None
    ) -> RowIntake:
        """Start to read the rows."""
        self.cells.uris.clear()
        return _intake(
            self.workspace,
            pipeline,
            self.request,
            self.survey.csv,
            self.cells,
            on_progress,
            check_keys,
        )

    def record(self, session: Session, group_id: int) -> None:
        """Refer to the files of the tasks, so that they are kept."""
        refer_to_files(session, group_id, self.cells.uris)

    def describe(self, seeded: Seeded) -> Seeded:
        """Add the number of files, and a warning about files that no row names."""
        unnamed = self.survey.unnamed
        warnings = (_describe_unnamed(unnamed),) if unnamed else ()
        return seeded._replace(files=len(self.files), warnings=warnings)


def _skip_rule(request: ZipRequest, pipeline: Pipeline) -> Callable[[FileValue], bool]:
    """Return the test whether, given a file that was read, no file needs to be stored."""

    def should_skip(value: FileValue) -> bool:
        return request.dry_run or (
            request.tolerance.is_strict
            and not any(
                allows(field.content_types, value.content_type) for field in pipeline.file_fields
            )
        )

    return should_skip


def _read_through(
    workspace: Workspace,
    pipeline: Pipeline,
    request: ZipRequest,
    csv: SourceFile,
    cells: FileCells,
) -> RowIntake | None:
    """Read all rows for the files that they name; return None if they cannot be read to the end."""
    try:
        with _intake(workspace, pipeline, request, csv, cells) as intake:
            for _ in intake.batches():
                pass
    except SourceProblemError:  # raised again when the rows are loaded
        return None
    return intake


def _intake(
    workspace: Workspace,
    pipeline: Pipeline,
    request: ZipRequest,
    csv: SourceFile,
    cells: FileCells,
    on_progress: OnProgress = lambda _: None,
    check_keys: CheckKeys | None = None,
) -> RowIntake:
    return open_zip_csv(
        csv,
        cells,
        pipeline.dataset_fields,
        workspace.limits,
        dialect=request.dialect,
        on_progress=on_progress,
        check_keys=check_keys,
    )


def _check_takes_zip(pipeline: Pipeline) -> None:
    refusal = why_no_zip(pipeline)
    if refusal is not None:
        raise SourceProblemError(refusal)


def _describe_unnamed(paths: Collection[str]) -> str:
    shown = ", ".join(visible(path) for path in list(paths)[:_UNNAMED_SHOWN])
    more = ", ..." if len(paths) > _UNNAMED_SHOWN else ""
    verb = "is" if len(paths) == 1 else "are"
    return f"{counted(len(paths), 'file')} of the archive {verb} named by no row: {shown}{more}"
