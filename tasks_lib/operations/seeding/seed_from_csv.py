"""Seed a pipeline from a CSV file: each row becomes one task, all of them or none, once."""

from dataclasses import dataclass
from typing import ClassVar

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.intake_rules import why_no_csv
from tasks_lib.domain.limits import Limits
from tasks_lib.domain.progress import OnProgress
from tasks_lib.domain.statuses import SeedKind
from tasks_lib.errors import SourceProblemError
from tasks_lib.intake.csv_files.csv_intake import open_csv
from tasks_lib.intake.rows.checked_rows import CheckKeys
from tasks_lib.intake.rows.row_intake import RowIntake
from tasks_lib.operations.seeding.file_sources import CsvRequest, FileRowSource
from tasks_lib.operations.seeding.loading import load_rows
from tasks_lib.operations.seeding.reports import Seeded, seed
from tasks_lib.operations.workspace import Workspace
from tasks_lib.transport.fetch import SourceFile, fetch
from tasks_lib.transport.temporary import temporary_folder


@dataclass
class CsvRows(FileRowSource):
    """The rows of a CSV file as a source of tasks."""

    kind: ClassVar[SeedKind] = SeedKind.CSV
    source: SourceFile
    request: CsvRequest
    limits: Limits

    @property
    def content(self) -> str:
        """The hash of the file's unpacked bytes."""
        return f"sha256:{self.source.sha256}"

    def check(self, pipeline: Pipeline) -> None:
        """Raise SourceProblemError unless the pipeline takes tasks from a CSV."""
        refusal = why_no_csv(pipeline)
        if refusal is not None:
            raise SourceProblemError(refusal)

    def open(
        self, pipeline: Pipeline, on_progress: OnProgress, check_keys: CheckKeys | None = None
    ) -> RowIntake:
        """Start to read the rows."""
        return open_csv(
            self.source,
            pipeline.dataset_fields,
            self.limits,
            dialect=self.request.dialect,
            on_progress=on_progress,
            check_keys=check_keys,
        )


def seed_from_csv(
    workspace: Workspace,
    request: CsvRequest,
    *,
    run_id: str,
    on_progress: OnProgress = lambda _: None,
) -> Seeded:
    """Fetch the file and load its rows, or return the report of the rejection.

    Idempotent for a ``run_id``. Raises NotFoundError for the pipeline, and UnavailableError.
    """

    def load(pipeline: Pipeline) -> Seeded:
        with temporary_folder() as folder:
            source = fetch(request.source, folder, workspace.limits)
            return load_csv(
                workspace, pipeline, request, source, run_id=run_id, on_progress=on_progress
            )

    return seed(workspace, request, load, run_id=run_id)


def load_csv(
    workspace: Workspace,
    pipeline: Pipeline,
    request: CsvRequest,
    source: SourceFile,
    *,
    run_id: str,
    on_progress: OnProgress = lambda _: None,
) -> Seeded:
    """Check the rows of a fetched file and create their tasks; see ``load_rows`` for its errors."""
    rows = CsvRows(source, request, workspace.limits)
    return load_rows(workspace, pipeline, request, rows, run_id=run_id, on_progress=on_progress)
