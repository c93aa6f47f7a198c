"""The document of the health check."""

from typing import Annotated, Final, Literal

from pydantic import Field
from typing_extensions import TypedDict

from tasks_lib import __version__
from tasks_lib.operations.health import Health as Known


class Waiting(TypedDict):
    """Events that Prefect has not received yet."""

    claims: int
    finished_tasks: int
    groups: int


class Health(TypedDict):
    """The service works."""

    status: Literal["ok"]
    version: Annotated[str, Field(description="The release of task-seeding")]
    store_revision: str | None
    waiting_for_prefect: Waiting


EXAMPLE: Final = Health(
    status="ok",
    version=__version__,
    store_revision="0006",
    waiting_for_prefect=Waiting(claims=0, finished_tasks=0, groups=0),
)


def health_document(health: Known) -> Health:
    """Return the document of a service whose store answers."""
    waiting = health.pending
    return Health(
        status="ok",
        version=__version__,
        store_revision=health.revision,
        waiting_for_prefect=Waiting(
            claims=waiting.claims, finished_tasks=waiting.finished_tasks, groups=waiting.groups
        ),
    )
