"""How many bad rows a seeding tolerates before it rejects the whole source."""

import re
from fractions import Fraction
from typing import Final, NamedTuple

from tasks_lib.domain.names import counted, shortened
from tasks_lib.domain.statuses import OnError
from tasks_lib.errors import Problem, UsageError

_ROWS: Final = r"[0-9]{1,18}"
_PERCENT: Final = r"(?:100(?:\.0{1,9})?|[0-9]{1,2}(?:\.[0-9]{1,9})?)%"
MAX_REJECTED: Final = f"^(?:{_ROWS}|{_PERCENT})?$"
"""A pattern of the valid values, of which the empty one means any number."""

_ALL: Final = 100


class Tolerance(NamedTuple):
    """The most bad rows: ``rows``, or ``percent`` of the rows read; None means any number.

    With ``is_strict`` no bad row is tolerated, and the other two do not count. ``text`` is the
    value of ``max_rejected`` as it was given.
    """

    is_strict: bool
    rows: int | None = None
    percent: Fraction | None = None
    text: str = ""

    @classmethod
    def parse(cls, on_error: OnError, max_rejected: str) -> "Tolerance":
        """Return the tolerance of a request.

        Raises UsageError unless ``max_rejected`` is ``N`` or ``P%``, and bad rows are skipped.
        """
        is_strict = on_error is OnError.REJECT_FILE
        text = max_rejected
        if not text:
            return cls(is_strict)
        if is_strict:
            raise UsageError(
                f"max_rejected is {text!r}, but one bad row rejects all rows; set on_error to "
                f"{OnError.SKIP_ROWS.value}, or leave max_rejected out"
            )
        if re.fullmatch(_ROWS, text):
            return cls(is_strict, rows=int(text), text=text)
        if re.fullmatch(_PERCENT, text):
            return cls(is_strict, percent=Fraction(text.removesuffix("%")), text=text)
        raise UsageError(
            f"max_rejected is {shortened(max_rejected)}; it must be a number of rows such as 10, "
            "or a percentage of the rows from 0% to 100% such as 5%"
        )

    def refuses(self, rejected: int, read: int | None = None) -> bool:
        """Tell whether so many rejected rows reject the source.

        ``read`` is the number of all its rows, None while more rows may follow.
        """
        if self.is_strict:
            return rejected > 0
        if self.rows is not None:
            return rejected > self.rows
        if self.percent is None or read is None:
            return False
        return _ALL * rejected > self.percent * read

    def excess(self, rejected: int, read: int) -> Problem | None:
        """Return the problem of a source with more rejected rows than ``max_rejected``, or None."""
        if self.is_strict or not self.refuses(rejected, read):
            return None
        message = (
            f"{rejected:,} of {counted(read, 'row')} cannot be used, and max_rejected allows "
            f"{self.text}"
        )
        return Problem("too_many_rejected", message)
