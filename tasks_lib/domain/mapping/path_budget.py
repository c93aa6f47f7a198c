"""Bound what the evaluation of a JSONPath costs: steps, time, and results.

A path is written by a user and evaluated on documents of other users' tasks, in processes that
serve all organizations. A short path can select a billion nodes, and a short regular expression can
run for years.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from tasks_lib.domain.names import counted, shortened
from tasks_lib.errors import Problem, SourceProblemError

MAX_PATH_LENGTH: Final = 2_000
MAX_MATCHES: Final = 1_000
"""More values are not collected: a field needs one."""

MAX_STEPS: Final = 200_000
"""In one document: nodes that are visited or selected, and conditions that are evaluated."""

MAX_SECONDS: Final = 2.0
"""Of processor time, in one document."""

_SECONDS_OF_FEW_ROWS: Final = 30.0
_SECONDS_OF_A_ROW: Final = 0.0015
_STEPS_PER_LOOK: Final = 16
CODE: Final = "path_too_costly"


class Timing(NamedTuple):
    """The clock of the thread's processor time, and how much of it all documents may take.

    ``documents`` says in an error's sentence which documents those are.
    """

    clock: Callable[[], float]
    seconds: float | None = None
    documents: str = "the tasks of one turn"

    @classmethod
    def of_rows(cls, clock: Callable[[], float], rows: int) -> "Timing":
        """Bound the time for so many rows, generously: a usual path takes 0.05 ms for each."""
        seconds = max(_SECONDS_OF_FEW_ROWS, rows * _SECONDS_OF_A_ROW)
        return cls(clock, seconds, counted(rows, "row"))


NO_CLOCK: Final = Timing(lambda: 0.0)
"""For a path that is only checked, or tried on a few rows: steps are bounded, time is not."""


class Budget:
    """The steps and the processor time that a path may use.

    Each method that spends raises SourceProblemError once the budget is used up.
    """

    def __init__(self, path: str, timing: Timing) -> None:
        self._path = path
        self._clock, self._seconds, self._documents = timing
        self._left = self._seconds
        self._steps = 0
        self._started = self._deadline = 0.0

    def begin(self) -> None:
        """Begin a document."""
        self._steps = 0
        self._started = self._clock()
        left = MAX_SECONDS if self._left is None else min(self._left, MAX_SECONDS)
        self._deadline = self._started + left

    def end(self) -> None:
        """End a document."""
        if self._left is not None:
            self._left -= self._clock() - self._started

    def spend(self) -> None:
        """Count a step."""
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise self._refusal(f"takes more than {MAX_STEPS:,} steps in one document")
        if not self._steps % _STEPS_PER_LOOK:
            self.look()

    def look(self) -> None:
        """Check the time."""
        if self._clock() > self._deadline:
            raise self._refusal(self._too_long())

    def remaining(self) -> float:
        """Return the processor time that is left for the document, in seconds."""
        return max(self._deadline - self._clock(), 0.001)

    def run_out(self) -> SourceProblemError:
        """Return the error of a function that has used the remaining time."""
        return self._refusal(self._too_long())

    def _too_long(self) -> str:
        if self._left is not None and self._left < MAX_SECONDS:
            return f"takes longer than {self._seconds:g} seconds for {self._documents}"
        return f"takes longer than {MAX_SECONDS:g} seconds in one document"

    def _refusal(self, reason: str) -> SourceProblemError:
        message = (
            f"the JSONPath {shortened(self._path)} {reason}; make it name the way to the value"
        )
        return SourceProblemError(Problem(CODE, message))
