"""Our drain of a chain, without the flow around it; what waits is there already."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from tasks_lib.operations.chains.due import fire_due
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.settings import read_settings


def prepared(database_url: str, source: Path) -> Callable[[], object]:  # noqa: ARG001
    """Return the drain, from opening the store to the last commit."""

    def drain() -> None:
        with open_workspace(read_settings(database_url=database_url)) as workspace:
            fire_due(workspace, at=datetime.now(UTC))

    return drain
