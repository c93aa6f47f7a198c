"""Our export of results to a folder that has all of them: measures what finding that out takes."""

from collections.abc import Callable
from pathlib import Path

from benchmarks.loaders import results_export


def prepared(database_url: str, source: Path) -> Callable[[], object]:
    """Return the export to the folder ``source``."""
    return results_export.prepared(database_url, source, full=False)
