"""A pipeline with a key: declare it, seed files into it, and read reports in short."""

from pathlib import Path
from typing import Any
from uuid import uuid4

from tasks_lib.domain.report import Report
from tasks_lib.operations.catalogue.apply import AppliedPipeline, apply_catalogue
from tasks_lib.operations.seeding.file_sources import CsvRequest
from tasks_lib.operations.seeding.seed_from_csv import seed_from_csv
from tasks_lib.operations.workspace import Workspace
from vault import LABEL

HEADER = "review_id,body,stars\n"


def declare(workspace: Workspace, catalogue_file: Path, line: str) -> list[AppliedPipeline]:
    """Apply the catalogue with another line after the pipeline's name."""
    text = catalogue_file.read_text(encoding="utf-8")
    before, _, after = text.partition("            claim_timeout: 30m\n")
    rest = after.partition("            fields:")[2]
    catalogue_file.write_text(
        f"{before}            claim_timeout: 30m\n            {line}\n            fields:{rest}",
        encoding="utf-8",
    )
    return apply_catalogue(workspace.store, catalogue_file)


def seed(workspace: Workspace, source: str, pipeline: str = LABEL, **options: Any) -> Report:
    request = CsvRequest(pipeline=pipeline, source=source, **options)
    return seed_from_csv(workspace, request, run_id=str(uuid4())).report


def numbers(report: Report) -> tuple[bool, int, int, int, int]:
    """Return whether there is a group, and the rows created, known, changed and rejected."""
    return (
        report.group_id is not None,
        report.created,
        report.already_seeded,
        report.changed,
        report.rejected,
    )
