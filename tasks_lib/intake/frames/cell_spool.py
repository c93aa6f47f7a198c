"""A local copy of the cells of a frame that can be read only once, such as a stream."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pyarrow as pa

from tasks_lib.domain.fields import Field
from tasks_lib.domain.limits import Limits
from tasks_lib.intake.frames.frame_cells import CellDigest, block_of, cell_schema, convert_frame
from tasks_lib.intake.frames.open_frame import Frame
from tasks_lib.intake.rows.blocks import CellBlock
from tasks_lib.intake.rows.prefetch import prefetched
from tasks_lib.transport.temporary import writing_temporary_files


class CellSpool:
    """A frame's rows as cells of the fields, in a local file that is read like a source."""

    is_hashed = True

    def __init__(self, path: Path, columns: Sequence[str], rows: int, digest: str) -> None:
        self.columns = columns
        self.rows = rows
        self.sha256 = digest
        self._path = path

    def blocks(self) -> Iterator[CellBlock]:
        """Yield the rows in order, those with problems apart."""
        done = 0
        with pa.memory_map(str(self._path)) as file:
            reader = pa.ipc.open_file(file)
            for index in range(reader.num_record_batches):
                batch = reader.get_batch(index)
                yield block_of(batch, done)
                done += len(batch)


def spool_cells(frame: Frame, fields: Sequence[Field], limits: Limits, path: Path) -> CellSpool:
    """Convert a frame's columns to cells of the fields, and copy them to a file.

    Memory does not grow with the rows. Raises SourceProblemError if they are larger than the limit.
    """
    names = [field.name for field in fields]
    digest = CellDigest(names)
    rows = 0
    with (
        writing_temporary_files(),
        pa.OSFile(str(path), "wb") as file,
        pa.ipc.new_file(file, cell_schema(names)) as writer,
        closing(convert_frame(frame, fields, limits)) as converted,
        closing(prefetched(converted)) as batches,
    ):
        for batch in batches:
            digest.update(batch)
            writer.write_batch(batch)
            rows += len(batch)
    return CellSpool(path, names, rows, digest.finish())
