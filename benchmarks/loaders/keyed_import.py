"""Our import of a CSV into a dataset by its key, measured like ``plain_import``."""

from collections.abc import Callable
from pathlib import Path

from benchmarks.loaders import plain_import


def prepared(database_url: str, source: Path) -> Callable[[], object]:
    """Return the import into the dataset ``reviews`` by the key ``review_id``."""
    return plain_import.prepared(database_url, source, key=("review_id",))
