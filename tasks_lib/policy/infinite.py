"""Infinite seeding: how many tasks a pipeline lacks, decided of a snapshot."""

from typing import NamedTuple

from tasks_lib.domain.statuses import PipelineStatus


class Stock(NamedTuple):
    """What a pipeline has, and what is wished for: a snapshot.

    ``available`` are the tasks that can be claimed, ``total`` all that it holds. ``target`` is the
    most that it shall ever hold; None knows no bound.
    """

    status: PipelineStatus
    available: int
    total: int
    keep_available: int
    target: int | None


def missing(stock: Stock) -> int:
    """Return how many tasks are to be made, so that neither the stock nor the target is exceeded.

    A pipeline that is not active is left alone.
    """
    if stock.status is not PipelineStatus.ACTIVE:
        return 0
    lacking = stock.keep_available - stock.available
    if stock.target is not None:
        lacking = min(lacking, stock.target - stock.total)
    return max(lacking, 0)


def is_reached(stock: Stock) -> bool:
    """Tell whether the pipeline holds all the tasks that it shall ever hold."""
    return stock.target is not None and stock.total >= stock.target
