"""Take a CSV file in, as rows that can become tasks of given fields."""

from collections.abc import Generator, Sequence
from contextlib import ExitStack

from tasks_lib.domain.fields import Field
from tasks_lib.domain.limits import Limits
from tasks_lib.domain.names import display_name
from tasks_lib.domain.progress import OnProgress
from tasks_lib.domain.rows.dialects import DEFAULT_DIALECT, Dialect
from tasks_lib.domain.rows.headers import check_header, match_columns
from tasks_lib.domain.values.readers import ReaderOf, reader_of
from tasks_lib.errors import Problem, SourceProblemError
from tasks_lib.intake.csv_files.csv_reader import CsvReader
from tasks_lib.intake.csv_files.encodings import Utf8Stream
from tasks_lib.intake.rows.blocks import CheckedBlock
from tasks_lib.intake.rows.checked_rows import CheckKeys, checked_blocks
from tasks_lib.intake.rows.row_intake import OnBlock, RowIntake, naming_file
from tasks_lib.transport.fetch import SourceFile


def open_csv(
    source: SourceFile,
    fields: Sequence[Field],
    limits: Limits,
    *,
    dialect: Dialect = DEFAULT_DIALECT,
    reader_of: ReaderOf = reader_of,
    on_progress: OnProgress = lambda _: None,
    on_block: OnBlock = lambda _: None,
    file_name: str = "",
    check_keys: CheckKeys | None = None,
) -> RowIntake:
    """Open a CSV whose columns are ``fields``; the other arguments are those of ``RowIntake``.

    Raises SourceProblemError if the header does not fit. The intake raises it if the file cannot be
    read any further, has no rows, or was changed since it was hashed.
    """
    with ExitStack() as opening, naming_file(file_name):
        file = opening.enter_context(source.path.open("rb"))
        stream = Utf8Stream(file, dialect.encoding)
        reader = CsvReader(stream, limits, dialect.of_file(display_name(source.uri)))
        names = [field.name for field in fields]
        reader.columns = match_columns(reader.columns, names)
        problems = check_header(reader.columns, names)
        if problems:
            raise SourceProblemError(*problems)
        return RowIntake(
            reader.columns,
            _blocks(source, checked_blocks(reader, fields, reader_of, check_keys)),
            source.size,
            limits,
            dialect=reader.dialect,
            on_progress=on_progress,
            on_block=on_block,
            resources=opening.pop_all(),
            file_name=file_name,
        )


def _blocks(source: SourceFile, blocks: Generator[CheckedBlock]) -> Generator[CheckedBlock]:
    is_empty = True
    for block in blocks:
        is_empty = is_empty and not (len(block.numbers) or block.bad)
        yield block
    if is_empty:
        message = "the file has a header but no data rows, so there is no task to create"
        raise SourceProblemError(Problem("no_rows", message))
    source.check_unchanged()
