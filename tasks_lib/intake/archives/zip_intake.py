"""Take the CSV of a ZIP in, whose cells of file fields are paths in the archive."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from tasks_lib.domain.fields import Field, FieldType
from tasks_lib.domain.files import FileValue
from tasks_lib.domain.limits import Limits
from tasks_lib.domain.mapping.conversions import check_content_type, check_file_size
from tasks_lib.domain.names import visible
from tasks_lib.domain.progress import OnProgress
from tasks_lib.domain.rows.dialects import Dialect
from tasks_lib.domain.values.readers import Reader, reader_of, with_empty
from tasks_lib.intake.archives.archive_directory import Entry
from tasks_lib.intake.archives.archives import Archive
from tasks_lib.intake.csv_files.csv_intake import open_csv
from tasks_lib.intake.rows.blocks import CheckedBlock
from tasks_lib.intake.rows.checked_rows import CheckKeys
from tasks_lib.intake.rows.row_intake import RowIntake
from tasks_lib.transport.fetch import SourceFile


@dataclass
class FileCells:
    """Reads the cells of file fields, which are paths in the archive.

    A member that a cell names is kept in ``named``. With ``files``, the stored files by their
    paths, a cell becomes the value of its file, and ``uris`` are those of the good rows so far.
    """

    archive: Archive
    files: Mapping[str, FileValue] | None = None
    named: dict[str, Entry] = field(default_factory=dict)
    uris: set[str] = field(default_factory=set)

    def reader_of(self, field: Field) -> Reader:
        """Return the reader of a field's cells, also for a file."""
        if field.type is not FieldType.FILE:
            return reader_of(field)
        return with_empty(field, lambda cell: self._read(field, cell))

    def _read(self, field: Field, cell: str) -> str:
        entry = self.archive.find(cell)
        check_file_size(field, visible(cell), entry.size)
        self.named[entry.path] = entry
        if self.files is None:
            return "null"
        value = self.files[entry.path]
        evidence = ", as its content says"
        check_content_type(field, visible(cell), value.content_type, evidence=evidence)
        return value.json

    def note_uris(self, block: CheckedBlock, file_fields: Sequence[str]) -> None:
        """Add the files of a block's good rows to ``uris``."""
        for task in map(orjson.loads, block.values.to_pylist()):
            values = (task[name] for name in file_fields)
            self.uris.update(value["uri"] for value in values if value is not None)


def open_zip_csv(
    csv: SourceFile,
    cells: FileCells,
    fields: Sequence[Field],
    limits: Limits,
    *,
    dialect: Dialect,
    on_progress: OnProgress = lambda _: None,
    check_keys: CheckKeys | None = None,
) -> RowIntake:
    """Open an archive's CSV as ``open_csv`` does; its problems begin with its name.

    The source that a person named is the archive.
    """
    file_fields = [field.name for field in fields if field.type is FieldType.FILE]
    return open_csv(
        csv,
        fields,
        limits,
        dialect=dialect,
        reader_of=cells.reader_of,
        on_progress=on_progress,
        on_block=lambda block: cells.note_uris(block, file_fields),
        file_name=visible(csv.uri),
        check_keys=check_keys,
    )
