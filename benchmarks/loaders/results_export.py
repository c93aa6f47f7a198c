"""Our export of results to a folder: measures everything from opening the store to the file."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.generate import PIPELINE
from tasks_lib.operations.results.export import ExportRequest, export_results
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.settings import Settings, read_settings


def prepared(database_url: str, source: Path) -> Callable[[], object]:
    """Return the export to the folder ``source``."""
    request = ExportRequest(pipeline=PIPELINE, destination=str(source), full=True)
    return partial(export, read_settings(database_url=database_url), request)


def export(settings: Settings, request: ExportRequest) -> None:
    """Open the store, and export."""
    with open_workspace(settings) as workspace:
        export_results(workspace, request)
