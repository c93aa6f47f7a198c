"""Write results as JSON Lines or CSV."""

from collections.abc import Callable
from typing import Final, NamedTuple

from tasks_lib.domain.limits import check_list_limit
from tasks_lib.domain.result_formats import TextFormat
from tasks_lib.operations.results.read import MEMBERS, find_scope, narrow_scope, open_results
from tasks_lib.output.result_texts import texts_of
from tasks_lib.store.engine import Store

_FINISH_NUMBER: Final = MEMBERS.index("finish_number")


class Shown(NamedTuple):
    """How many results were written, and the place of the last one in the order of finishing."""

    rows: int
    until: int


def write_results(
    store: Store,
    write: Callable[[bytes], object],
    *,
    pipeline: str,
    group_id: int | None = None,
    kind: TextFormat = TextFormat.JSONL,
    after: int = 0,
    limit: int | None = None,
    with_source: bool = False,
) -> Shown:
    """Write the results of a pipeline, or of one of its groups; raise NotFoundError, UsageError."""
    if limit is not None:
        check_list_limit(limit)
    scope = narrow_scope(store, find_scope(store, pipeline), group_id)
    rows, until = 0, after
    with open_results(store, scope, after=after, limit=limit, with_source=with_source) as found:
        texts = texts_of(kind, found.columns, MEMBERS)
        write(texts.header)
        for batch in found.batches:
            write(texts.write(batch))
            rows += len(batch)
            until = batch[-1][_FINISH_NUMBER]
    return Shown(rows, until if limit is not None else found.until)
