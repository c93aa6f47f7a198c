"""Seed a pipeline from a CSV file: each row makes one task, all together or none, once."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.problems import SourceProblemError
from tasks_lib.intake.csv_intake import CsvIntake
from tasks_lib.intake.limits import Limits
from tasks_lib.intake.progress import OnProgress
from tasks_lib.intake.sources import SourceFile, fetch
from tasks_lib.operations.file_sources import CsvRequest, FileRows
from tasks_lib.operations.loading import Seeded, load_rows
from tasks_lib.operations.workspace import Workspace
from tasks_lib.policy.intake_rules import why_no_csv
from tasks_lib.store import catalogue


@dataclass
class CsvRows(FileRows):
    """The rows of a CSV file, as a source of tasks."""

    kind: ClassVar[str] = "csv"
    source: SourceFile
    request: CsvRequest
    limits: Limits

    @property
    def content(self) -> str:
        """The file's bytes, unpacked."""
        return f"sha256:{self.source.sha256}"

    def check(self, pipeline: Pipeline) -> None:
        """Raise SourceProblemError unless the pipeline takes tasks from a CSV."""
        refusal = why_no_csv(pipeline)
        if refusal is not None:
            raise SourceProblemError(refusal)

    def open(self, pipeline: Pipeline, on_progress: OnProgress) -> CsvIntake:
        """Begin to read the rows."""
        return CsvIntake(
            self.source,
            pipeline.dataset_fields,
            self.limits,
            delimiter=self.request.delimiter,
            encoding=self.request.encoding,
            on_progress=on_progress,
        )


def seed_from_csv(
    workspace: Workspace,
    request: CsvRequest,
    *,
    run_id: str,
    on_progress: OnProgress = lambda _: None,
) -> Seeded:
    """Fetch the source and load it; see ``fetch_source`` and ``load_csv`` for what they raise."""
    with workspace.store.read() as session:
        pipeline = catalogue.find_pipeline(session, request.pipeline)
    with TemporaryDirectory(prefix="seeding-") as folder:
        source = fetch_source(request.source, Path(folder), workspace.limits)
        return load_csv(
            workspace, pipeline, request, source, run_id=run_id, on_progress=on_progress
        )


def fetch_source(uri: str, folder: Path, limits: Limits) -> SourceFile | SourceProblemError:
    """Return the fetched source, or what makes it unreadable, which belongs into the report.

    Raises StorageUnavailableError, after which it is worth trying again.
    """
    try:
        return fetch(uri, folder, limits)
    except SourceProblemError as problem:
        return problem


def load_csv(
    workspace: Workspace,
    pipeline: Pipeline,
    request: CsvRequest,
    source: SourceFile | SourceProblemError,
    *,
    run_id: str,
    on_progress: OnProgress = lambda _: None,
) -> Seeded:
    """Check the source and make its tasks, or say in the report why not; see ``load_rows``."""
    rows = (
        source
        if isinstance(source, SourceProblemError)
        else CsvRows(source, request, workspace.limits)
    )
    return load_rows(workspace, pipeline, request, rows, run_id=run_id, on_progress=on_progress)
