"""Take a CSV file in, as rows that can become tasks of given fields."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from tasks_lib.domain.fields import Field
from tasks_lib.domain.headers import check_header
from tasks_lib.domain.problems import Problem, SourceProblemError
from tasks_lib.domain.values import ReaderOf, reader_of
from tasks_lib.intake.checked_rows import checked_blocks
from tasks_lib.intake.csv_reader import CsvReader
from tasks_lib.intake.encodings import Utf8Stream
from tasks_lib.intake.limits import Limits
from tasks_lib.intake.progress import OnProgress
from tasks_lib.intake.row_intake import RowBatch, RowIntake
from tasks_lib.intake.sources import SourceFile


class CsvIntake(RowIntake):
    """One pass over a CSV.

    Opening it reads the header and raises SourceProblemError where that does not fit ``fields``.
    """

    def __init__(
        self,
        source: SourceFile,
        fields: Sequence[Field],
        limits: Limits,
        *,
        delimiter: str = ",",
        encoding: str = "",
        reader_of: ReaderOf = reader_of,
        on_progress: OnProgress = lambda _: None,
    ) -> None:
        super().__init__(limits, on_progress)
        self._source = source
        with ExitStack() as opening:
            file = opening.enter_context(source.path.open("rb"))
            stream = Utf8Stream(file, encoding)
            reader = CsvReader(stream, limits, delimiter=delimiter, encoding=stream.name)
            problems = check_header(reader.columns, [field.name for field in fields])
            if problems:
                raise SourceProblemError(*problems)
            blocks = checked_blocks(reader, fields, reader_of)
            self._start(opening, reader.columns, blocks, source.size)

    def batches(self) -> Iterator[RowBatch]:
        """Yield the good rows that have not been read yet; tally the bad ones.

        Raises SourceProblemError where the file cannot be read on, has no rows at all, has more bad
        rows than the limit, or was changed since it was hashed.
        """
        yield from super().batches()
        if not self.good and not self.rejected:
            message = "the file has a header but no data rows, so there is no task to make"
            raise SourceProblemError(Problem("no_rows", message))
        self._source.check_unchanged()
