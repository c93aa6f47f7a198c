"""The document of a workflow's infinite seeding."""

from typing import Annotated, Final, Literal, cast

from pydantic import Field
from typing_extensions import TypedDict

from tasks_lib.operations.infinite.manage import InfiniteSeeding as Seeding

State = Literal["disabled", "running", "at_target", "inactive", "stopped"]


class InfiniteSeeding(TypedDict):
    """The status of a workflow's infinite seeding."""

    state: State
    target: int | None
    keep_available: int
    copy_groups: list[int]
    available: Annotated[int, Field(description="Tasks that can be claimed")]
    total: Annotated[int, Field(description="All tasks of the workflow")]
    made: Annotated[int, Field(description="Tasks that infinite seeding created in the group")]
    group_id: int | None
    message: Annotated[
        str | None, Field(description="Why it has stopped, is at its target, or is inactive")
    ]
    warnings: Annotated[
        list[str], Field(description="Values that new tasks will lack, or that nothing was changed")
    ]


EXAMPLE: Final = InfiniteSeeding(
    state="running",
    target=10_000,
    keep_available=5,
    copy_groups=[1],
    available=5,
    total=120,
    made=115,
    group_id=2,
    message=None,
    warnings=[],
)


def infinite_document(seeding: Seeding) -> InfiniteSeeding:
    """Return the status of an infinite seeding."""
    return InfiniteSeeding(
        state=cast("State", seeding.state),
        target=seeding.target,
        keep_available=seeding.keep_available,
        copy_groups=list(seeding.copy_groups),
        available=seeding.available,
        total=seeding.total,
        made=seeding.made,
        group_id=seeding.group_id,
        message=seeding.message,
        warnings=list(seeding.warnings),
    )
