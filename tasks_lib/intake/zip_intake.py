"""Take the CSV of a ZIP in: its cells of file fields are paths in the archive."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import orjson

from tasks_lib.domain.fields import Field, FieldType
from tasks_lib.domain.files import FileValue, allows
from tasks_lib.domain.names import visible
from tasks_lib.domain.problems import SourceProblemError
from tasks_lib.domain.values import Reader, ValueProblemError, reader_of, with_empty
from tasks_lib.intake.archive_directory import Entry
from tasks_lib.intake.archives import Archive
from tasks_lib.intake.csv_intake import CsvIntake
from tasks_lib.intake.limits import Limits
from tasks_lib.intake.progress import OnProgress
from tasks_lib.intake.row_intake import RowBatch
from tasks_lib.intake.sources import SourceFile


@dataclass
class FileCells:
    """Reads the cells of file fields: paths in the archive.

    Without ``files``, by their paths, a cell is only looked up, and remembered in ``named``; with
    them it becomes the value of the stored file.
    """

    archive: Archive
    files: Mapping[str, FileValue] | None = None
    named: dict[str, Entry] = field(default_factory=dict)

    def reader_of(self, field: Field) -> Reader:
        """Return the reader of a field's cells, whatever its type."""
        if field.type is not FieldType.FILE:
            return reader_of(field)
        return with_empty(field, lambda cell: self._read(field, cell))

    def _read(self, field: Field, cell: str) -> str:
        entry = self.archive.find(cell)
        if field.max_bytes is not None and entry.size > field.max_bytes:
            message = f"{visible(cell)} has {entry.size:,} bytes, {field.max_bytes:,} are allowed"
            raise ValueProblemError("file_too_large", message)
        self.named[entry.path] = entry
        if self.files is None:
            return "null"
        value = self.files[entry.path]
        if not allows(field.content_types, value.content_type):
            allowed = ", ".join(field.content_types or ())
            message = (
                f"{visible(cell)} is {value.content_type}, as its content says; "
                f"allowed are {allowed}"
            )
            raise ValueProblemError("content_type_not_allowed", message)
        return value.json


class ZipIntake(CsvIntake):
    """One pass over an archive's CSV; ``uris`` are the stored files of the good rows so far."""

    def __init__(
        self,
        csv: SourceFile,
        cells: FileCells,
        fields: Sequence[Field],
        limits: Limits,
        *,
        delimiter: str,
        encoding: str,
        on_progress: OnProgress = lambda _: None,
    ) -> None:
        self.uris: set[str] = set()
        self._name = visible(csv.uri)
        self._file_fields = [field.name for field in fields if field.type is FieldType.FILE]
        with _told_of(self._name):
            super().__init__(
                csv,
                fields,
                limits,
                delimiter=delimiter,
                encoding=encoding,
                reader_of=cells.reader_of,
                on_progress=on_progress,
            )

    def batches(self) -> Iterator[RowBatch]:
        """Yield the good rows, as every intake of a CSV does; see there."""
        with _told_of(self._name):
            for batch in super().batches():
                for task in map(orjson.loads, batch.values.to_pylist()):
                    values = (task[name] for name in self._file_fields)
                    self.uris.update(value["uri"] for value in values if value is not None)
                yield batch


@contextmanager
def _told_of(name: str) -> Iterator[None]:
    """Say which file a problem is of: the source that a person named is the archive."""
    try:
        yield
    except SourceProblemError as error:
        told = [
            problem._replace(message=f"{name}: {problem.message}") for problem in error.problems
        ]
        raise SourceProblemError(*told) from None
