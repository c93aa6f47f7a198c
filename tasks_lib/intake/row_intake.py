"""Take rows in: the good ones in batches, the bad ones counted, explained and set apart."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import NamedTuple, Self

import pyarrow as pa

from tasks_lib.domain.problems import Problem, SourceProblemError
from tasks_lib.domain.report import MAX_INLINE_ERRORS
from tasks_lib.intake.checked_rows import CheckedBlock
from tasks_lib.intake.limits import Limits
from tasks_lib.intake.prefetch import prefetched
from tasks_lib.intake.progress import OnProgress, Progress
from tasks_lib.intake.rejects import RejectsFile


class RowBatch(NamedTuple):
    """Rows that can become tasks: their numbers (int64) and their JSON objects (string).

    ``origins`` are the ids (int64) of the dataset rows or tasks that they come from, if they do.
    """

    rows: pa.Array
    values: pa.Array
    origins: pa.Array | None = None


class RowIntake:
    """One pass over rows; use as a context manager, which keeps the rejects file meanwhile.

    ``problems`` holds the first hundred problems of rows, in order; the rejects file holds all.
    """

    def __init__(self, limits: Limits, on_progress: OnProgress) -> None:
        self.good = 0
        self.rejected = 0
        self.blank_lines = 0
        self.problems: list[Problem] = []
        self._limits = limits
        self._on_progress = on_progress
        self._resources = ExitStack()

    def _start(
        self, opening: ExitStack, columns: Sequence[str], blocks: Iterator[CheckedBlock], total: int
    ) -> None:
        """Begin to read ``blocks``; what ``opening`` holds is kept until the end."""
        self._total = total
        folder = Path(opening.enter_context(TemporaryDirectory(prefix="seeding-")))
        self.rejects = opening.enter_context(RejectsFile(folder / "rejects.csv", columns))
        self._blocks: Generator[CheckedBlock] = opening.enter_context(closing(prefetched(blocks)))
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

    def batches(self) -> Iterator[RowBatch]:
        """Yield the good rows that have not been read yet; tally the bad ones.

        Raises SourceProblemError where the source cannot be read on, or has more bad rows than the
        limit.
        """
        for block in self._blocks:
            self._tally(block)
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
            message = (
                f"more than {self._limits.max_errors:,} rows are bad, so the rest was not read; "
                f"correct what is common to them, or raise SEEDING_MAX_ERRORS. The first: "
                f"row {self.problems[0].row:,}: {self.problems[0].message}"
            )
            raise SourceProblemError(Problem("too_many_errors", message))
        done = min(block.done, self._total)
        self._on_progress(Progress(done, self._total, self.good + self.rejected))
