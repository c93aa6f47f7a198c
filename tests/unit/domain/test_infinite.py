"""The number of missing tasks: a table of examples, and properties of any snapshot."""

import pytest
from hypothesis import given, strategies as st

from tasks_lib.domain.infinite import Stock, count_missing, is_reached
from tasks_lib.domain.statuses import PipelineStatus

ACTIVE = PipelineStatus.ACTIVE
NUMBERS = st.integers(0, 1_000)
STOCKS = st.builds(
    Stock,
    st.sampled_from(PipelineStatus),
    NUMBERS,
    NUMBERS,
    st.integers(1, 1_000),
    st.none() | st.integers(1, 1_000),
)


@pytest.mark.parametrize(
    ("stock", "expected"),
    [
        (Stock(ACTIVE, 0, 0, 1, None), 1),
        (Stock(ACTIVE, 1, 9, 1, None), 0),
        (Stock(ACTIVE, 2, 9, 1, None), 0),
        (Stock(ACTIVE, 3, 9, 10, None), 7),
        (Stock(ACTIVE, 0, 9, 1, 10), 1),
        (Stock(ACTIVE, 0, 9, 5, 10), 1),
        (Stock(ACTIVE, 0, 10, 5, 10), 0),
        (Stock(ACTIVE, 0, 12, 5, 10), 0),
        (Stock(PipelineStatus.PAUSED, 0, 0, 1, None), 0),
        (Stock(PipelineStatus.COMPLETED, 0, 0, 1, None), 0),
        (Stock(PipelineStatus.ARCHIVED, 0, 0, 1, None), 0),
        (Stock(PipelineStatus.DRAFT, 0, 0, 1, None), 0),
    ],
)
def test_the_number_of_missing_tasks(stock: Stock, expected: int) -> None:
    assert count_missing(stock) == expected


@given(STOCKS)
def test_neither_the_stock_nor_the_target_is_ever_exceeded(stock: Stock) -> None:
    missing = count_missing(stock)
    assert missing >= 0
    if missing:
        assert stock.available + missing <= stock.keep_available
        assert stock.target is None or stock.total + missing <= stock.target


@given(STOCKS)
def test_nothing_is_missing_once_the_tasks_are_made(stock: Stock) -> None:
    missing = count_missing(stock)
    after = stock._replace(available=stock.available + missing, total=stock.total + missing)
    assert count_missing(after) == 0


@given(STOCKS)
def test_an_active_pipeline_lacks_tasks_unless_it_is_stocked_or_full(stock: Stock) -> None:
    stocked = stock.available >= stock.keep_available
    assert (count_missing(stock) == 0) == (
        stock.status is not ACTIVE or stocked or is_reached(stock)
    )
