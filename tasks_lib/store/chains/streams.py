"""Streams: a stream lets each row or task of one source into one pipeline once."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import bindparam, select, text
from sqlalchemy.orm import Session

from tasks_lib.store.dialect import upsert
from tasks_lib.store.tables.streams import StreamRow

if TYPE_CHECKING:
    import pyarrow as pa

_IDS_AT_ONCE: Final = 5_000


class Stream(NamedTuple):
    """A stream and its generation; a new generation lets the whole source in again.

    ``filled_from`` is field to column, as of the last seeding.
    """

    id: int
    generation: int
    filled_from: Mapping[str, str]


def find_stream(session: Session, pipeline_id: int, source: str) -> Stream | None:
    """Return the latest generation of the stream, or None."""
    row = session.scalars(
        select(StreamRow)
        .where(StreamRow.pipeline_id == pipeline_id, StreamRow.source == source)
        .order_by(StreamRow.generation.desc())
        .limit(1)
    ).first()
    return _stream(row) if row is not None else None


def lock_stream(session: Session, pipeline_id: int, source: str, generation: int) -> Stream:
    """Return the stream of this generation, created if needed, and locked against other loads."""
    session.execute(
        upsert(session, StreamRow, ["pipeline_id", "source", "generation"]).values(
            pipeline_id=pipeline_id, source=source, generation=generation
        )
    )
    row = session.scalars(
        select(StreamRow)
        .where(
            StreamRow.pipeline_id == pipeline_id,
            StreamRow.source == source,
            StreamRow.generation == generation,
        )
        .with_for_update(key_share=True)
    ).one()
    return _stream(row)


def save_columns(session: Session, stream: Stream, filled_from: Mapping[str, str]) -> None:
    """Save which columns fill the fields, field to column."""
    session.get_one(StreamRow, stream.id).filled_from = dict(filled_from)
    session.flush()


def has_tasks(session: Session, stream_id: int) -> bool:
    """Return True if the stream has let anything in."""
    return session.scalar(_HAS_TASKS, {"stream_id": stream_id}) is not None


def find_origins(session: Session, stream_id: int, origins: "pa.Array") -> "pa.Array":
    """Return which of the rows or tasks the stream has let in, as an array of booleans."""
    import pyarrow as pa  # noqa: PLC0415

    ids = origins.to_pylist()
    known: set[int] = set()
    for first in range(0, len(ids), _IDS_AT_ONCE):
        some = {"stream_id": stream_id, "ids": ids[first : first + _IDS_AT_ONCE]}
        known.update(session.scalars(_ORIGINS, some))
    return pa.array([row_id in known for row_id in ids], pa.bool_())


_HAS_TASKS: Final = text("SELECT 1 FROM tasks WHERE stream_id = :stream_id LIMIT 1")
_ORIGINS: Final = text(
    "SELECT origin_id FROM tasks WHERE stream_id = :stream_id AND origin_id IN :ids"
).bindparams(bindparam("ids", expanding=True))


def _stream(row: StreamRow) -> Stream:
    return Stream(row.id, row.generation, row.filled_from or {})
