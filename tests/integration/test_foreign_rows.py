"""Custom sources fill datasets: each needs one reader, and the operations do not change."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pyarrow as pa
import pytest

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.fields import FieldType
from tasks_lib.domain.limits import Limits
from tasks_lib.domain.mapping.conversions import Column
from tasks_lib.domain.report import ReportError
from tasks_lib.errors import Problem, StorageUnavailableError, UsageError
from tasks_lib.intake.datasets.foreign_rows import ForeignRows, ForeignSource
from tasks_lib.intake.datasets.open_rows import READERS, Reader, open_rows
from tasks_lib.intake.datasets.value_rows import ValueRows
from tasks_lib.intake.rows.blocks import BadRow, CheckedBlock
from tasks_lib.operations.datasets.data_vault import show_dataset
from tasks_lib.operations.datasets.import_request import ImportMode, ImportRejectedError
from tasks_lib.operations.datasets.query_datasets import QueryRequest, add_query, refresh_dataset
from tasks_lib.operations.workspace import Workspace
from vault import FIELDS as TASKS, MORE_FIELDS, put, rows_of, seed_dataset, tasks_of

NAMES = ["review_id", "body", "stars"]
ROWS = [("001", "one", 5), ("NA", " two ", None), ("12345678901234567890", "three", 1)]
MORE = [("4", "four", 4), ("5", "five", 5)]


@dataclass
class Feed:
    """A REST feed: pages of objects, and no checksum without reading them."""

    rows: list[tuple[Any, ...]] = field(default_factory=lambda: list(ROWS))
    names: list[str] = field(default_factory=lambda: list(NAMES))
    breaks_after: int | None = None
    reads: int = 0

    @contextmanager
    def open(self, _: ForeignSource, limits: Limits) -> Iterator[ForeignRows]:
        yield ValueRows(self.names, self._pages(), limits, noun="feed")

    def _pages(self) -> Iterator[Sequence[Any]]:
        self.reads += 1
        for number, row in enumerate(self.rows):
            if number == self.breaks_after:
                raise StorageUnavailableError("the feed does not respond")
            yield row


@dataclass
class Topic:
    """A topic: messages that are JSON already, and offsets that identify the content."""

    messages: list[str]
    reads: int = 0
    columns: tuple[Column, ...] = ()
    is_table: bool = False
    is_local: bool = False
    warnings: tuple[str, ...] = ()

    @contextmanager
    def open(self, _source: ForeignSource, _limits: Limits) -> Iterator[ForeignRows]:
        yield self

    @property
    def checksum(self) -> str:
        return f"reviews:0-{len(self.messages)}"

    @property
    def total(self) -> int:
        return len(self.messages)

    def blocks(self) -> Generator[CheckedBlock]:
        self.reads += 1
        self.columns = tuple(Column(name, FieldType.TEXT) for name in NAMES)
        for number, message in enumerate(self.messages, start=1):
            bad = [] if message.startswith("{") else [_no_object(number, message)]
            numbers, values = ([], []) if bad else ([number], [message])
            yield CheckedBlock(
                pa.array(numbers, pa.int64()), pa.array(values, pa.string()), bad, number
            )


def _no_object(number: int, message: str) -> BadRow:
    problem = Problem("not_an_object", f"{message!r} is no object", number)
    return BadRow(number, [], [problem])


def with_reader(workspace: Workspace, source: Feed | Topic) -> Workspace:
    """Return the workspace with an additional reader for the source."""
    reader = Reader(lambda entry: entry.uri.startswith("feed://"), source.open)
    return replace(workspace, open_rows=partial(open_rows, readers=(reader, *READERS)))


def test_a_feed_is_imported_and_seeded_from(workspace: Workspace, pipeline: Pipeline) -> None:
    workspace = with_reader(workspace, Feed())
    report = put(workspace, "feed://reviews")
    assert (report.version, report.imported, report.already_imported) == (1, 3, 0)
    shown = show_dataset(workspace.store, "acme", "reviews", rows=0)
    assert [(column.name, column.type.value) for column in shown.columns] == [
        ("review_id", "text"), ("body", "text"), ("stars", "integer"),
    ]  # fmt: skip
    assert (seed_dataset(workspace).created, tasks_of(workspace)) == (3, TASKS)
    again = seed_dataset(workspace, run_id="run-2")
    assert (again.created, again.already_seeded) == (0, 3)


def test_the_same_content_of_a_feed_is_imported_once(workspace: Workspace) -> None:
    feed = Feed()
    workspace = with_reader(workspace, feed)
    put(workspace, "feed://reviews")
    again = put(workspace, "feed://reviews", mode=ImportMode.APPEND)
    assert (again.version, again.imported, again.already_imported) == (1, 0, 3)
    feed.rows = [*MORE]
    more = put(workspace, "feed://reviews", mode=ImportMode.APPEND)
    assert (more.version, more.imported) == (2, 2)
    assert [(version, row) for version, row, _ in rows_of(workspace)] == [
        (1, 1), (1, 2), (1, 3), (2, 4), (2, 5),
    ]  # fmt: skip


def test_equal_rows_of_a_feed_stay_separate_rows(workspace: Workspace) -> None:
    workspace = with_reader(workspace, Feed([ROWS[0], ROWS[0]]))
    assert put(workspace, "feed://reviews").imported == 2


def test_many_rows_of_a_feed_come_in_order(workspace: Workspace) -> None:
    workspace = with_reader(workspace, Feed([(str(number), "x", 1) for number in range(12_000)]))
    assert put(workspace, "feed://reviews").imported == 12_000
    assert [row for _, row, _ in rows_of(workspace)] == [*range(1, 12_001)]


@pytest.mark.parametrize(
    ("feed", "errors"),
    [
        pytest.param(
            Feed([("1", "a", 1), ("2", b"b", 1), ("3", "c\0", 1)]),
            [
                (2, "unsupported_value", "column 'body' holds bytes, for which JSON has no form; "
                 "cast it to text in the query"),
                (3, "nul_byte", "column 'body' holds a NUL character"),
            ],
            id="bad rows",
        ),
        pytest.param(Feed([]), [(None, "no_rows", "the source has no rows")], id="no rows"),
        pytest.param(
            Feed(names=["a", "a", "b"]),
            [(None, "duplicate_column", "column 'a' occurs 2 times, at 1, 2")],
            id="doubled column",
        ),
    ],
)  # fmt: skip
def test_a_feed_that_is_rejected_leaves_nothing(
    workspace: Workspace, feed: Feed, errors: list[tuple[int | None, str, str]]
) -> None:
    with pytest.raises(ImportRejectedError) as caught:
        put(with_reader(workspace, feed), "feed://reviews")
    entries = [(error.row, error.code, error.message) for error in caught.value.report.errors]
    assert entries == errors
    assert rows_of(workspace) == []


def test_too_many_columns_of_a_feed_are_refused(workspace: Workspace) -> None:
    limited = replace(with_reader(workspace, Feed()), limits=Limits(max_columns=2))
    with pytest.raises(ImportRejectedError) as caught:
        put(limited, "feed://reviews")
    message = "the feed has 3 columns, 2 are allowed; raise SEEDING_MAX_COLUMNS if that is meant"
    assert caught.value.report.errors == (
        ReportError(row=None, field=None, code="too_many_columns", message=message),
    )


def test_too_many_bad_rows_of_a_feed_end_the_import(workspace: Workspace) -> None:
    feed = Feed([(b"", "x", 1)] * 7)
    limited = replace(with_reader(workspace, feed), limits=Limits(max_errors=5))
    with pytest.raises(ImportRejectedError) as caught:
        put(limited, "feed://reviews")
    assert caught.value.report.errors[0].code == "too_many_errors"


def test_other_columns_cannot_be_appended(workspace: Workspace) -> None:
    feed = Feed()
    workspace = with_reader(workspace, feed)
    put(workspace, "feed://reviews")
    feed.names = ["review_id", "body", "rating"]
    with pytest.raises(ImportRejectedError) as caught:
        put(workspace, "feed://reviews", mode=ImportMode.APPEND)
    assert [error.message for error in caught.value.report.errors] == [
        "column 'rating' is not a column of the dataset",
        "the header lacks the column 'stars'",
    ]
    assert len(rows_of(workspace)) == 3


def test_a_feed_that_breaks_off_leaves_nothing(workspace: Workspace) -> None:
    feed = Feed(breaks_after=2)
    workspace = with_reader(workspace, feed)
    with pytest.raises(StorageUnavailableError, match="the feed does not respond"):
        put(workspace, "feed://reviews")
    assert rows_of(workspace) == []
    feed.breaks_after = None
    assert put(workspace, "feed://reviews").imported == 3


def test_new_rows_of_a_feed_are_recognized_by_their_key(
    workspace: Workspace, pipeline: Pipeline
) -> None:
    feed = Feed()
    workspace = with_reader(workspace, feed)
    request = QueryRequest(
        organization="acme",
        name="reviews",
        connection="feed://reviews",
        query="reviews",
        key_columns=("review_id",),
    )
    add_query(workspace, request)
    assert (seed_dataset(workspace).created, tasks_of(workspace)) == (3, TASKS)
    feed.rows += [*MORE, ("001", "changed", 5)]
    assert seed_dataset(workspace, run_id="run-2").created == 2
    assert tasks_of(workspace) == [*TASKS, *MORE_FIELDS]
    report = refresh_dataset(workspace, "acme", "reviews")
    assert (report.version, report.already_imported, report.repeated) == (None, 5, 1)
    with pytest.raises(UsageError, match=r"the key names 'id', which the source does not have"):
        add_query(workspace, replace(request, key_columns=("id",)))


def test_a_topic_is_read_once_for_the_same_offsets(
    workspace: Workspace, pipeline: Pipeline
) -> None:
    topic = Topic([values for _, values in TASKS])
    workspace = with_reader(workspace, topic)
    assert put(workspace, "feed://reviews").imported == 3
    assert put(workspace, "feed://reviews", mode=ImportMode.APPEND).already_imported == 3
    assert topic.reads == 1
    assert (seed_dataset(workspace).created, tasks_of(workspace)) == (3, TASKS)


def test_a_bad_message_rejects_the_topic(workspace: Workspace) -> None:
    workspace = with_reader(workspace, Topic(['{"review_id":"1"}', "[]"]))
    with pytest.raises(ImportRejectedError) as caught:
        put(workspace, "feed://reviews")
    assert caught.value.report.errors == (
        ReportError(row=2, field=None, code="not_an_object", message="'[]' is no object"),
    )
    assert rows_of(workspace) == []
