"""Infinite seeding: how many tasks a pipeline is missing."""

from enum import StrEnum
from typing import Final, NamedTuple

from tasks_lib.domain.statuses import PipelineStatus

BLANK: Final = "blank"
"""The source of tasks that copy nothing."""


class SeedingState(StrEnum):
    """The state of a pipeline's infinite seeding."""

    DISABLED = "disabled"
    RUNNING = "running"
    AT_TARGET = "at_target"
    INACTIVE = "inactive"
    """The pipeline is not active."""
    STOPPED = "stopped"
    """The values cannot be copied any more."""


class Stock(NamedTuple):
    """A snapshot of a pipeline's tasks, and the number of tasks that it should have.

    ``available`` tasks can be claimed; ``total`` are all tasks, also those that were
    deleted because their retention was over. ``target`` is the most tasks that the pipeline may
    ever hold; None means unlimited.
    """

    status: PipelineStatus
    available: int
    total: int
    keep_available: int
    target: int | None


def count_missing(stock: Stock) -> int:
    """Return how many tasks to create, within ``keep_available`` and ``target``.

    A pipeline that is not active gets none.
    """
    if stock.status is not PipelineStatus.ACTIVE:
        return 0
    lacking = stock.keep_available - stock.available
    if stock.target is not None:
        lacking = min(lacking, stock.target - stock.total)
    return max(lacking, 0)


def is_reached(stock: Stock) -> bool:
    """Return True if the pipeline holds as many tasks as its target."""
    return stock.target is not None and stock.total >= stock.target
