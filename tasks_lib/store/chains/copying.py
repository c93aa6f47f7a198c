"""Create tasks from waiting tasks inside PostgreSQL, where the plan only copies stored values.

One statement takes the next waiting tasks, tests their values, creates the tasks, and removes what
it used from the inbox. No row travels to this process. If one value is not certain, the statement
creates nothing, and the caller reads the rows instead.
"""

from collections.abc import Iterator, Sequence
from json.encoder import encode_basestring
from typing import Any, Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from tasks_lib.domain.lifecycle import stored_as
from tasks_lib.domain.mapping.copied_fields import CopiedField
from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.store import catalogue
from tasks_lib.store.dialect import is_postgresql
from tasks_lib.store.tasks import queues

_LONGEST_NUMBER: Final = 1_000
"""Characters of a number that is compared with bounds; PostgreSQL's numbers have limits, too."""


class Copied(NamedTuple):
    """How many tasks were due and created, the last id of the former, and bytes of the latter."""

    due: int
    created: int
    last_id: int
    size: int

    @property
    def is_complete(self) -> bool:
        """Whether all tasks that were due were created."""
        return self.created == self.due


def copy_waiting(
    session: Session,
    fields: Sequence[CopiedField],
    *,
    chain_id: int,
    source_id: int,
    target_id: int,
    group_id: int,
    stream_id: int,
    source_group: int | None,
    after: int,
    limit: int,
) -> Copied | None:
    """Create the tasks of the next waiting ones, all or none; the caller updates the counts.

    Takes up to ``limit`` tasks with ids above ``after``, of the ``source_group`` if there is one.
    The server holds their values at once. The caller has locked the stream. Returns None on SQLite,
    whose SQL has no regular expressions.
    """
    if not is_postgresql(session):
        return None
    finished = stored_as(TaskStatus.FINISHED, catalogue.get_status(session, source_id))
    parameters = {
        "chain_id": chain_id,
        "source_id": source_id,
        "target_id": target_id,
        "group_id": group_id,
        "stream_id": stream_id,
        "source_group": source_group,
        "after": after,
        "limit": limit,
        "finished": sorted(finished),
        "status": TaskStatus.PENDING.value,
    }
    names: dict[str, Any] = {}
    values = ", ".join(_values(fields, names))
    tests = " AND ".join(_test(field, place, names) for place, field in enumerate(fields))
    document = " || ".join(_members(fields, names))
    due = _DUE_OF_GROUP if source_group is not None else _DUE
    statement = _COPY.format(due=due, values=values, tests=tests, document=document)
    with queues.keep_open(session, target_id):
        due_count, created, last_id, size = session.execute(
            text(statement), parameters | names
        ).one()
    return Copied(due_count, created, last_id or after, size)


def _values(fields: Sequence[CopiedField], names: dict[str, Any]) -> Iterator[str]:
    """Yield the JSON text of each column; what a contributor filled in wins."""
    for place, field in enumerate(fields):
        names[f"column{place}"] = field.column
        column = f"CAST(:column{place} AS text)"
        yield (
            f"CAST(COALESCE(t.filled_in -> {column}, t.predefined -> {column}) AS text)"
            f" AS value{place}"
        )


def _test(field: CopiedField, place: int, names: dict[str, Any]) -> str:
    """Return the test whether a value is certainly valid."""
    value = f"value{place}"
    if field.pattern is not None:
        names[f"pattern{place}"] = f"^(?:{field.pattern})$"
        test = f"{value} ~ :pattern{place}"
    elif field.texts is not None:
        names[f"texts{place}"] = list(field.texts)
        test = f"{value} = ANY(CAST(:texts{place} AS text[]))"
    else:
        test = f"left({value}, 1) = '\"' AND {value} <> '\"\"'"
    if field.max_length is not None:
        test += f" AND length({value}) <= {field.max_length:d}"
    bounds = [("lowest", ">=", field.lowest), ("highest", "<=", field.highest)]
    compared = [f"length({value}) <= {_LONGEST_NUMBER}"]
    for name, sign, bound in bounds:
        if bound is not None:
            names[f"{name}{place}"] = bound
            number = f"CAST({value} AS numeric)"
            compared.append(f"{number} {sign} CAST(CAST(:{name}{place} AS text) AS numeric)")
    if len(compared) > 1:  # PostgreSQL may evaluate the sides of an AND in any order
        short, *between = compared
        test = f"CASE WHEN {test} AND {short} THEN {' AND '.join(between)} ELSE false END"
    return f"({test})" if field.required else f"({_is_empty(value)} OR ({test}))"


def _members(fields: Sequence[CopiedField], names: dict[str, Any]) -> Iterator[str]:
    """Yield the pieces of the JSON object, in the form in which read rows are stored."""
    for place, field in enumerate(fields):
        names[f"name{place}"] = ("," if place else "{") + encode_basestring(field.name) + ":"
        value = f"value{place}"
        shown = f"'\"' || {value} || '\"'" if field.adds_quotes else value
        if not field.required:
            shown = f"CASE WHEN {_is_empty(value)} THEN 'null' ELSE {shown} END"
        yield f"CAST(:name{place} AS text) || {shown}"
    yield "'}'"


def _is_empty(value: str) -> str:
    return f"({value} IS NULL OR {value} IN ('null', '\"\"'))"


_DUE: Final = (
    "SELECT i.task_id AS id FROM chain_inbox i"
    " WHERE i.chain_id = :chain_id AND i.error_code IS NULL AND i.task_id > :after"
    " ORDER BY i.task_id LIMIT :limit"
)
_DUE_OF_GROUP: Final = (
    "SELECT i.task_id AS id FROM chain_inbox i JOIN tasks t ON t.id = i.task_id"
    " WHERE i.chain_id = :chain_id AND i.error_code IS NULL AND i.task_id > :after"
    " AND t.group_id = :source_group ORDER BY i.task_id LIMIT :limit"
)
# A range without known tasks spares looking up each one. The order makes PostgreSQL use the index
# for that: to find just any row of the range, it would read the table if it expected many.
_COPY: Final = """
    WITH due AS MATERIALIZED ({due}),
    span AS MATERIALIZED (SELECT min(id) AS first_id, max(id) AS last_id FROM due),
    known AS MATERIALIZED (
        SELECT COALESCE((
            SELECT origin_id <= (SELECT last_id FROM span) FROM tasks
            WHERE stream_id = :stream_id AND origin_id >= (SELECT first_id FROM span)
            ORDER BY origin_id LIMIT 1
        ), false) OR COALESCE((
            SELECT origin_id <= (SELECT last_id FROM span) FROM removed_rows
            WHERE stream_id = :stream_id AND origin_id >= (SELECT first_id FROM span)
            ORDER BY origin_id LIMIT 1
        ), false) AS may_be
    ),
    part AS MATERIALIZED (
        SELECT id, {document} AS predefined, COALESCE({tests}, false) AS is_certain
        FROM (
            SELECT t.id, {values} FROM tasks t
            WHERE t.id = ANY(ARRAY(SELECT id FROM due))
            AND t.pipeline_id = :source_id AND t.erased_at IS NULL
            AND t.status = ANY(CAST(:finished AS text[]))
            AND (NOT (SELECT may_be FROM known) OR NOT EXISTS (
                SELECT 1 FROM tasks made
                WHERE made.stream_id = :stream_id AND made.origin_id = t.id
                UNION ALL
                SELECT 1 FROM removed_rows gone
                WHERE gone.stream_id = :stream_id AND gone.origin_id = t.id
            ))
            OFFSET 0
        ) AS stored
    ),
    created AS (
        INSERT INTO tasks
            (pipeline_id, group_id, row, status, predefined, stream_id, origin_id)
        SELECT :target_id, :group_id, id, :status, CAST(predefined AS json), :stream_id, id
        FROM part
        WHERE (SELECT count(*) FROM part WHERE is_certain) = (SELECT count(*) FROM due)
        ORDER BY id
        RETURNING origin_id
    ),
    used AS (
        DELETE FROM chain_inbox
        WHERE chain_id = :chain_id AND task_id = ANY(ARRAY(SELECT origin_id FROM created))
    )
    SELECT (SELECT count(*) FROM due), (SELECT count(*) FROM created), (SELECT last_id FROM span),
        (SELECT COALESCE(sum(octet_length(predefined)), 0) FROM part)
"""
