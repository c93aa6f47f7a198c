"""Take foreign rows in: yield the good ones in batches; count and explain the bad ones."""

from collections.abc import Generator, Iterable, Sequence
from contextlib import closing

from tasks_lib.domain.limits import Limits
from tasks_lib.domain.progress import OnProgress, Progress
from tasks_lib.domain.report import MAX_INLINE_ERRORS
from tasks_lib.errors import Problem, SourceProblemError
from tasks_lib.intake.datasets.foreign_rows import ForeignRows
from tasks_lib.intake.datasets.rejected_rows import RejectedRows
from tasks_lib.intake.rows.blocks import CheckedBlock
from tasks_lib.intake.rows.limit_problems import too_many_errors
from tasks_lib.intake.rows.prefetch import prefetched
from tasks_lib.intake.rows.row_intake import RowBatch


class DatasetIntake:
    """One pass over foreign rows; ``problems`` holds the first hundred of ``rejected`` rows.

    All of these are written to ``rejects``, if it is given.
    """

    def __init__(
        self,
        rows: ForeignRows,
        limits: Limits,
        on_progress: OnProgress = lambda _: None,
        rejects: RejectedRows | None = None,
    ) -> None:
        self.good = 0
        self.rejected = 0
        self.problems: list[Problem] = []
        self._rows = rows
        self._total = rows.total
        self._limits = limits
        self._on_progress = on_progress
        self._rejects = rejects
        self._cell_names: Sequence[str] = ()

    def batches(self) -> Generator[RowBatch]:
        """Yield the good rows; tally the bad ones.

        Raises SourceProblemError if the source cannot be read any further or has more bad rows than
        the limit. It carries the problems of rows, too.
        """
        try:
            with (
                closing(self._rows.blocks()) as blocks,
                closing(prefetched(blocks)) as ready_blocks,
            ):
                for block in ready_blocks:
                    self._tally(block)
                    if len(block.numbers):
                        yield RowBatch(block.numbers, block.values)
        except SourceProblemError as error:
            raise SourceProblemError(*error.problems, *self.problems) from None

    def reject(self, bad: Iterable[tuple[str, Problem]], *, count: int | None = None) -> None:
        """Count good rows as bad after all; each is given as its JSON object and its problem.

        ``count`` is their number if only some are given.
        """
        listed = list(bad)
        number = len(listed) if count is None else count
        self.good -= number
        self.rejected += number
        self.problems += [problem for _, problem in listed[: self._room]]
        if self._rejects is not None:
            for value, problem in listed:
                self._rejects.add_value(self._names, value, problem)
        self._check_limit()

    @property
    def max_errors(self) -> int:
        """The most rows that can be bad."""
        return self._limits.max_errors

    @property
    def _room(self) -> int:
        return MAX_INLINE_ERRORS - len(self.problems)

    @property
    def _names(self) -> Sequence[str]:
        """The columns of the rejects file; none for rows that are no table."""
        of_table = self._rows.columns if self._rows.is_table else ()
        return self._cell_names or [column.name for column in of_table]

    def _tally(self, block: CheckedBlock) -> None:
        self.good += len(block.numbers)
        self.rejected += len(block.bad)
        self._cell_names = block.cell_names
        for bad in block.bad:
            self.problems.extend(bad.problems[: self._room])
            if self._rejects is not None:
                self._rejects.add(self._names, bad)
        self._check_limit()
        if self._total is not None:
            done = min(block.done, self._total)
            self._on_progress(Progress(done, self._total, self.good + self.rejected))

    def _check_limit(self) -> None:
        if self.rejected > self._limits.max_errors:
            raise SourceProblemError(too_many_errors(self._limits))
