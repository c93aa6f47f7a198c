"""Our export of results to a folder that has all of them: measures what finding that out takes.

The store is open, as in a worker's flow; connecting is not measured.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.generate import PIPELINE
from tasks_lib.operations.results.export import ExportRequest, export_results
from tasks_lib.operations.workspace import Workspace, open_workspace
from tasks_lib.settings import read_settings


def prepared(database_url: str, source: Path) -> Callable[[], object]:
    """Return the export to the folder ``source``."""
    request = ExportRequest(pipeline=PIPELINE, destination=str(source))
    workspace: Workspace = open_workspace(read_settings(database_url=database_url)).__enter__()
    return partial(export_results, workspace, request)
