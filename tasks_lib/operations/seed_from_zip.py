"""Seed a pipeline from a ZIP: each row of its CSV makes one task, with the files that it names.

Three acts: survey the archive and its rows; store the files that rows name, by their content; make
the tasks, in one transaction. Whatever ends the second or third leaves stored files without tasks
at most, which ``reconcile`` removes.
"""

import hashlib
import json
from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar, Final

from sqlalchemy.orm import Session

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.files import FileValue, allows
from tasks_lib.domain.names import counted, visible
from tasks_lib.domain.problems import Problem, SourceProblemError
from tasks_lib.intake.archive_directory import Entry
from tasks_lib.intake.archives import Archive
from tasks_lib.intake.csv_intake import CsvIntake
from tasks_lib.intake.progress import OnProgress
from tasks_lib.intake.ranges import open_ranges
from tasks_lib.intake.sources import SourceFile
from tasks_lib.intake.zip_intake import FileCells, ZipIntake
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

    ``named`` are the files that rows name and the archive holds, ``unnamed`` the others, where all
    rows could be read; ``is_hopeless`` says that the rows alone turn the archive away, so that its
    files need not be looked at.
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
    except SourceProblemError as problem:
        return problem
    cells = FileCells(archive)
    intake = _read_through(workspace, pipeline, request, csv, cells)
    named = tuple(cells.named.values())
    if intake is None:
        return Survey(archive, csv, pipeline, named, unnamed=(), is_hopeless=True)
    unnamed = tuple(archive.others({entry, *named}))
    is_hopeless = not intake.good or (request.is_strict and bool(intake.rejected))
    return Survey(archive, csv, pipeline, named, unnamed, is_hopeless)


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
class ZipRows(FileRows):
    """The rows of an archive's CSV with their stored files, as a source of tasks."""

    kind: ClassVar[str] = "zip"
    workspace: Workspace
    request: ZipRequest
    survey: Survey
    files: StoredFiles
    intake: ZipIntake | None = None

    @property
    def is_hopeless(self) -> bool:
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
        self.intake = _intake(
            self.workspace, pipeline, self.request, self.survey.csv, cells, on_progress
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


def _read_through(
    workspace: Workspace,
    pipeline: Pipeline,
    request: ZipRequest,
    csv: SourceFile,
    cells: FileCells,
) -> ZipIntake | None:
    """Read all rows, for the files that they name; return None where they cannot be read on."""
    try:
        with _intake(workspace, pipeline, request, csv, cells) as intake:
            for _ in intake.batches():
                pass
    except SourceProblemError:  # it comes again where it is reported
        return None
    return intake


def _intake(
    workspace: Workspace,
    pipeline: Pipeline,
    request: ZipRequest,
    csv: SourceFile,
    cells: FileCells,
    on_progress: OnProgress = lambda _: None,
) -> ZipIntake:
    return ZipIntake(
        csv,
        cells,
        pipeline.dataset_fields,
        workspace.limits,
        delimiter=request.delimiter,
        encoding=request.encoding,
        on_progress=on_progress,
    )


def _check_takes_zip(pipeline: Pipeline) -> None:
    refusal = why_no_zip(pipeline)
    if refusal is not None:
        raise SourceProblemError(refusal)


def _unnamed_files(paths: Collection[str]) -> str:
    shown = ", ".join(visible(path) for path in list(paths)[:_UNNAMED_SHOWN])
    more = ", ..." if len(paths) > _UNNAMED_SHOWN else ""
    verb = "is" if len(paths) == 1 else "are"
    return f"{counted(len(paths), 'file')} of the archive {verb} named by no row: {shown}{more}"
