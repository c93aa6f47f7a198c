"""Streams: what flows from one source into one pipeline, each row or task of the source once."""

from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from tasks_lib.store.tables import StreamRow


class Stream(NamedTuple):
    """A stream and its generation: a new one lets all of the source in again."""

    id: int
    generation: int


def find_stream(session: Session, pipeline_id: int, source: str) -> Stream | None:
    """Return the latest generation of the stream, or None."""
    row = session.scalars(
        select(StreamRow)
        .where(StreamRow.pipeline_id == pipeline_id, StreamRow.source == source)
        .order_by(StreamRow.generation.desc())
        .limit(1)
    ).first()
    return Stream(row.id, row.generation) if row is not None else None


def lock_stream(session: Session, pipeline_id: int, source: str, generation: int) -> Stream:
    """Return the stream of this generation, made if it is new; nobody else fills it meanwhile."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    session.execute(
        insert(StreamRow)
        .values(pipeline_id=pipeline_id, source=source, generation=generation)
        .on_conflict_do_nothing(index_elements=["pipeline_id", "source", "generation"])
    )
    row = session.scalars(
        select(StreamRow)
        .where(
            StreamRow.pipeline_id == pipeline_id,
            StreamRow.source == source,
            StreamRow.generation == generation,
        )
        .with_for_update()
    ).one()
    return Stream(row.id, row.generation)
