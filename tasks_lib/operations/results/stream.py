"""Results as a stream of bytes in one of the formats, in memory that does not grow with them.

They are read page by page, each in a transaction of its own, so that a slow reader keeps none open.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from tasks_lib.domain.result_formats import ResultFormat
from tasks_lib.errors import ConflictError
from tasks_lib.operations.results.read import MEMBERS, Results, Scope, find_last, open_results
from tasks_lib.store.engine import Store
from tasks_lib.store.results import finished_tasks
from tasks_lib.store.results.finished_tasks import ResultRange

_ROWS_AT_ONCE: Final = 5_000
_FINISH_NUMBER: Final = MEMBERS.index("finish_number")


class ResultStream(NamedTuple):
    """The bytes of results, and the place in the order of finishing up to which they are complete.

    As ``after`` of the next stream it leaves out what this one returns.
    """

    chunks: Iterator[bytes]
    until: int


def stream_results(
    store: Store,
    scope: Scope,
    kind: ResultFormat,
    *,
    after: int = 0,
    limit: int | None = None,
    with_source: bool = False,
) -> ResultStream:
    """Return the results after a place in the order of finishing, at most ``limit`` of them.

    Tasks that are finished while it runs are left out. The first page is read before this returns.
    The stream raises ConflictError if the pipeline's fields change while it is read.
    """
    from tasks_lib.output.result_streams import stream_of  # noqa: PLC0415 - loads Arrow

    until = max(after, find_last(store, scope.pipeline.id))
    if limit is not None:
        with store.read() as session:
            wanted = ResultRange(scope.pipeline.id, scope.group_id, after=after, up_to=until)
            last = finished_tasks.find_place_of(session, wanted, limit)
        until = last if last is not None else until
    pages = _Pages(store, scope, until, with_source)
    with pages.open(after) as first:
        output = stream_of(kind, first.columns, MEMBERS)
        rows = next(first.batches, [])

    def chunks() -> Iterator[bytes]:
        yield output.begin()
        page = rows
        while page:
            yield output.write(page)
            with pages.open(page[-1][_FINISH_NUMBER]) as following:
                if following.columns != first.columns:
                    raise ConflictError("the fields of the pipeline have changed; begin again")
                page = next(following.batches, [])
        yield output.end()

    return ResultStream(filter(None, chunks()), until)


class _Pages(NamedTuple):
    """Reads pages of results up to a place."""

    store: Store
    scope: Scope
    until: int
    with_source: bool

    @contextmanager
    def open(self, after: int) -> Iterator[Results]:
        with open_results(
            self.store,
            self.scope,
            after=after,
            up_to=self.until,
            limit=_ROWS_AT_ONCE,
            with_source=self.with_source,
        ) as found:
            yield found
