"""Read finished tasks as columns: Arrow reads PostgreSQL's COPY, and no row becomes an object."""

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from tasks_lib.store.bulk import postgres_connection
from tasks_lib.store.results.finished_tasks import ResultRange, StoredResult, select_results

if TYPE_CHECKING:  # loading it takes time, and readers of rows do not need it
    import pyarrow as pa

_ROWS_AT_ONCE: Final = 5_000
_BYTES_AT_ONCE: Final = 2**23
_DELIMITER: Final = "\x1f"
_QUOTE: Final = "\x01"
_OPTIONS: Final = "(FORMAT csv, DELIMITER E'\\x1f', QUOTE E'\\x01', ENCODING 'UTF8')"
"""JSON has no control characters but line ends, so that nearly no value is quoted."""
_ISO_TIMES: Final = text("SET LOCAL DateStyle TO ISO")

_NUMBERS: Final = frozenset(
    {"finish_number", "task_id", "group_id", "source_row", "origin_id", "chain_id"}
)


def stream_columns(session: Session, wanted: ResultRange) -> "Generator[pa.RecordBatch]":
    """Yield batches of finished tasks with the columns of ``StoredResult``, on PostgreSQL only.

    Numbers are int64, times are timestamps in microseconds, UTC, and all else are texts. The
    session cannot run another statement meanwhile.
    """
    session.execute(_ISO_TIMES)
    query = select_results(session, wanted).compile(
        session.get_bind(), compile_kwargs={"literal_binds": True}
    )
    statement = f"COPY ({query}) TO STDOUT {_OPTIONS}".encode()
    with postgres_connection(session).cursor() as cursor, cursor.copy(statement) as copy:
        lines: list[bytes | bytearray | memoryview] = []
        size = 0
        for line in copy:
            lines.append(line)
            size += len(line)
            if len(lines) >= _ROWS_AT_ONCE or size >= _BYTES_AT_ONCE:
                yield _parse(lines)
                lines, size = [], 0
        if lines:
            yield _parse(lines)


def _parse(lines: "Sequence[bytes | bytearray | memoryview]") -> "pa.RecordBatch":
    """Parse lines, each a row; a null is empty, an empty text is quoted."""
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import csv  # noqa: PLC0415

    data = b"".join(lines)
    names = StoredResult._fields
    table = csv.read_csv(
        pa.BufferReader(data),
        csv.ReadOptions(column_names=names, use_threads=False, block_size=len(data) + 1),
        csv.ParseOptions(
            delimiter=_DELIMITER,
            quote_char=_QUOTE,
            # Looking for line ends in values takes as long as all else.
            newlines_in_values=_QUOTE.encode() in data,
        ),
        csv.ConvertOptions(
            column_types={name: _type_of(name) for name in names},
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    [batch] = table.combine_chunks().to_batches()
    return batch


def _type_of(name: str) -> "pa.DataType":
    import pyarrow as pa  # noqa: PLC0415

    if name in _NUMBERS:
        return pa.int64()
    return pa.timestamp("us", "UTC") if name.endswith("_at") else pa.string()
