"""Take rows in: yield the good ones in batches; count, explain and set apart the bad ones."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from types import TracebackType
from typing import NamedTuple, Self

import pyarrow as pa

from tasks_lib.domain.limits import Limits
from tasks_lib.domain.progress import OnProgress, Progress
from tasks_lib.domain.report import MAX_INLINE_ERRORS
from tasks_lib.domain.rows.dialects import DEFAULT_DIALECT, Dialect
from tasks_lib.errors import Problem, SourceProblemError
from tasks_lib.intake.rows.blocks import CheckedBlock
from tasks_lib.intake.rows.limit_problems import too_many_errors
from tasks_lib.intake.rows.prefetch import prefetched
from tasks_lib.intake.rows.rejects import RejectsFile
from tasks_lib.transport.temporary import temporary_folder

OnBlock = Callable[[CheckedBlock], None]


class RowBatch(NamedTuple):
    """Good rows: their numbers (int64) and their JSON objects (string).

    ``origins`` holds the ids (int64) of the dataset rows or tasks that they come from, if any.
    """

    rows: pa.Array
    values: pa.Array
    origins: pa.Array | None = None


class RowIntake:
    """One pass over checked rows; a context manager, which keeps the rejects file until its end.

    ``problems`` holds the first hundred problems of rows, in order; the rejects file, written in
    ``dialect``, holds all. ``on_block`` is called with each block before its good rows are yielded.
    ``resources`` are closed at the end. ``file_name`` is put before each problem of the source as a
    whole.
    """

    def __init__(
        self,
        columns: Sequence[str],
        blocks: Generator[CheckedBlock],
        total: int,
        limits: Limits,
        *,
        dialect: Dialect = DEFAULT_DIALECT,
        on_progress: OnProgress = lambda _: None,
        on_block: OnBlock = lambda _: None,
        resources: ExitStack | None = None,
        file_name: str = "",
    ) -> None:
        self.good = 0
        self.rejected = 0
        self.blank_lines = 0
        self.problems: list[Problem] = []
        self._total = total
        self._limits = limits
        self._on_progress = on_progress
        self._on_block = on_block
        self._file_name = file_name
        self.dialect = dialect
        with ExitStack() as opening:
            opening.enter_context(resources or ExitStack())
            folder = opening.enter_context(temporary_folder())
            rejects = RejectsFile(folder / "rejects.csv", columns, dialect)
            self.rejects = opening.enter_context(rejects)
            opening.enter_context(closing(blocks))
            self._blocks = opening.enter_context(closing(prefetched(blocks)))
            self._resources = opening.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._resources.close()

    @property
    def rows_read(self) -> int:
        """How many rows have been read so far, good and bad."""
        return self.good + self.rejected

    def batches(self) -> Iterator[RowBatch]:
        """Yield the good rows that have not been read yet; tally the bad ones.

        Raises SourceProblemError if the source cannot be read any further or has more bad rows than
        the limit.
        """
        with naming_file(self._file_name):
            for block in self._blocks:
                self._tally(block)
                self._on_block(block)
                if len(block.numbers):
                    yield RowBatch(block.numbers, block.values, block.origins)

    def _tally(self, block: CheckedBlock) -> None:
        self.good += len(block.numbers)
        self.rejected += len(block.bad)
        self.blank_lines += block.blank
        for bad in block.bad:
            self.rejects.add(bad)
            room = MAX_INLINE_ERRORS - len(self.problems)
            self.problems.extend(bad.problems[:room])
        if self.rejected > self._limits.max_errors:
            raise SourceProblemError(too_many_errors(self._limits, first=self.problems[0]))
        done = min(block.done, self._total)
        self._on_progress(Progress(done, self._total, self.rows_read))


@contextmanager
def naming_file(name: str) -> Iterator[None]:
    """Put a file's name before each problem of the source; an empty name changes nothing."""
    try:
        yield
    except SourceProblemError as error:
        if not name:
            raise
        named = [
            problem._replace(message=f"{name}: {problem.message}") for problem in error.problems
        ]
        raise SourceProblemError(*named) from None
