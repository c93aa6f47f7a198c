"""The documents of chains."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import Field
from typing_extensions import TypedDict

from tasks_lib.domain.chains import Trigger
from tasks_lib.operations.chains.manage import Chain as StoredChain, ChainExplanation


class Chain(TypedDict):
    """A chain: tasks that are finished in the source become tasks of the target."""

    id: int
    name: str
    target: Annotated[int, Field(description="The workflow in which tasks are created")]
    source: Annotated[int, Field(description="The workflow whose tasks are finished")]
    on: Trigger
    mapping: dict[str, str]
    skip: list[str]
    is_paused: bool
    waiting: Annotated[int, Field(description="Finished tasks that are not seeded yet")]
    misfits: Annotated[int, Field(description="Those among them that do not fit the target")]
    oldest_waiting_at: datetime | None
    created_at: datetime
    looked_at: datetime | None
    fired_at: datetime | None
    error_code: str | None
    error_message: str | None
    automation_id: Annotated[
        str | None, Field(description="The automation in Prefect; null while there is none")
    ]


class UnfitTask(TypedDict):
    """A finished task that does not fit the target."""

    task_id: int
    code: str
    message: str


class ExplainedChain(Chain):
    """A chain, and why it has not fired."""

    reasons: list[str]
    unfit_tasks: Annotated[list[UnfitTask], Field(description="At most 100")]


class Chains(TypedDict):
    """All chains, oldest first."""

    items: list[Chain]
    next: Annotated[None, Field(description="There is no other page")]
    has_more: Annotated[bool, Field(description="There is no other page")]


CHAIN: Final = Chain(
    id=1,
    name="chain: reviews/label-reviews -> qa/check-labels on task completion",
    target=3,
    source=1,
    on=Trigger.TASK_COMPLETION,
    mapping={},
    skip=[],
    is_paused=False,
    waiting=0,
    misfits=0,
    oldest_waiting_at=None,
    created_at=datetime(2026, 11, 25, 8, 0, tzinfo=UTC),
    looked_at=datetime(2026, 11, 25, 8, 5, tzinfo=UTC),
    fired_at=datetime(2026, 11, 25, 8, 5, tzinfo=UTC),
    error_code=None,
    error_message=None,
    automation_id="6f1a3e0e-8a0b-4b57-9a63-0f3a6f0f2f55",
)
CHAINS: Final = Chains(items=[CHAIN], next=None, has_more=False)
EXPLAINED: Final = ExplainedChain(
    **CHAIN, reasons=["no finished task waits for it"], unfit_tasks=[]
)


def chain_document(chain: StoredChain) -> Chain:
    """Return a chain."""
    return Chain(
        id=chain.id,
        name=chain.name,
        target=chain.target_pipeline_id,
        source=chain.source_pipeline_id,
        on=Trigger(chain.trigger),
        mapping=chain.mapping,
        skip=chain.skip,
        is_paused=chain.is_paused,
        waiting=chain.waiting,
        misfits=chain.misfits,
        oldest_waiting_at=chain.oldest_waiting_at,
        created_at=chain.created_at,
        looked_at=chain.looked_at,
        fired_at=chain.fired_at,
        error_code=chain.error_code,
        error_message=chain.error_message,
        automation_id=chain.automation_id,
    )


def chains_document(chains: Iterable[StoredChain]) -> Chains:
    """Return chains as a list."""
    items = [chain_document(chain) for chain in chains]
    return Chains(items=items, next=None, has_more=False)


def explained_document(explained: ChainExplanation) -> ExplainedChain:
    """Return a chain, why it has not fired, and the tasks that do not fit."""
    unfit_tasks = [
        UnfitTask(task_id=misfit.task_id, code=misfit.code, message=misfit.message)
        for misfit in explained.misfits
    ]
    return ExplainedChain(
        **chain_document(explained.chain), reasons=explained.reasons, unfit_tasks=unfit_tasks
    )
