"""How many tasks are missing: by table, and what holds of any snapshot."""

import pytest
from hypothesis import given, strategies as st

from tasks_lib.domain.statuses import PipelineStatus
from tasks_lib.policy.infinite import Stock, is_reached, missing

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
def test_what_is_missing(stock: Stock, expected: int) -> None:
    assert missing(stock) == expected


@given(STOCKS)
def test_neither_the_stock_nor_the_target_is_ever_exceeded(stock: Stock) -> None:
    made = missing(stock)
    assert made >= 0
    if made:
        assert stock.available + made <= stock.keep_available
        assert stock.target is None or stock.total + made <= stock.target


@given(STOCKS)
def test_once_made_nothing_is_missing(stock: Stock) -> None:
    made = missing(stock)
    after = stock._replace(available=stock.available + made, total=stock.total + made)
    assert missing(after) == 0


@given(STOCKS)
def test_an_active_pipeline_lacks_something_unless_it_is_stocked_or_full(stock: Stock) -> None:
    stocked = stock.available >= stock.keep_available
    assert (missing(stock) == 0) == (stock.status is not ACTIVE or stocked or is_reached(stock))
