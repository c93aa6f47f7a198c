"""Our export of results to a table of the same server: measures all from opening the store on.

The table is empty, and dropped before.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from sqlalchemy import create_engine, text

from benchmarks.generate import PIPELINE
from benchmarks.loaders.results_export import export
from tasks_lib.operations.results.export import ExportRequest
from tasks_lib.settings import read_settings


def prepared(database_url: str, source: Path) -> Callable[[], object]:  # noqa: ARG001
    """Return the export to the table ``labels``."""
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS labels"))
    engine.dispose()
    url = engine.url._replace(password=None).update_query_dict({"table": "labels"})
    destination = url.render_as_string()
    request = ExportRequest(pipeline=PIPELINE, destination=destination, full=True)
    return partial(export, read_settings(database_url=database_url), request)
