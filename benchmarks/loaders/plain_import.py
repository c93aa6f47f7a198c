"""Our import of a CSV into a dataset: measures everything from opening the store to the commit."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from tasks_lib.operations.datasets.import_dataset import import_dataset
from tasks_lib.operations.datasets.import_request import ImportRequest
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.settings import Settings, read_settings


def prepared(database_url: str, source: Path, *, key: tuple[str, ...] = ()) -> Callable[[], object]:
    """Return the import into the dataset ``reviews``."""
    request = ImportRequest(organization="acme", name="reviews", source=str(source), key=key)
    return partial(_import, read_settings(database_url=database_url), request)


def _import(settings: Settings, request: ImportRequest) -> None:
    with open_workspace(settings) as workspace:
        import_dataset(workspace, request)
