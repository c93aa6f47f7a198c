"""Pages of lists: the options ``--limit`` and ``--after``, and the line about what is left."""

from collections.abc import Callable, Sequence
from typing import Annotated, Generic, NamedTuple, TypeVar

from cyclopts import Parameter

from tasks_lib.cli.options.arguments import WholeNumber
from tasks_lib.cli.output import console
from tasks_lib.domain.limits import check_list_limit
from tasks_lib.errors import UsageError

T = TypeVar("T")

Limit = Annotated[
    WholeNumber | None, Parameter(help="The number of entries to list at most. By default, all.")
]
After = Annotated[
    str, Parameter(help="Continue after this entry: the cursor that the page before has printed.")
]


class Page(NamedTuple, Generic[T]):
    """Some entries of a list, the number of all, and the cursor of the next page, if any."""

    entries: Sequence[T]
    total: int
    next: object

    def print_rest(self) -> None:
        """Print on stderr how many entries there are, and how to list the next ones."""
        if self.next is not None:
            shown = f"{len(self.entries):,} of {self.total:,}"
            console.print_hints([f"{shown}; list the next ones with: --after {self.next}"])


def cut_page(
    entries: Sequence[T], cursor_of: Callable[[T], object], *, after: str, limit: int | None
) -> Page[T]:
    """Return a page of all entries; ``cursor_of`` returns what identifies one in the list.

    Raises UsageError if the limit is below 1, or if no entry has the cursor ``after``.
    """
    if limit is not None:
        check_list_limit(limit)
    first = 0
    if after:
        cursors = [str(cursor_of(entry)) for entry in entries]
        if after not in cursors:
            raise UsageError(f"--after {after!r} is not in the list; list again from its start")
        first = cursors.index(after) + 1
    last = len(entries) if limit is None else first + limit
    shown = entries[first:last]
    rest = cursor_of(shown[-1]) if last < len(entries) else None
    return Page(shown, len(entries), rest)
