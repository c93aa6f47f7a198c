"""Group the members of an archive that are read together, so that few requests fetch many."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from tasks_lib.intake.archives.archive_directory import HEADER_BYTES, Entry
from tasks_lib.intake.archives.members import MAX_BYTES_AT_ONCE
from tasks_lib.transport.ranges import Range

RUN_BYTES: Final = 4 * 2**20
MAX_RUN_MEMBERS: Final = 256
_GAP_BYTES: Final = 2**16
"""Reading a gap of this size costs less than another request."""

_MAX_EXTRA_BYTES: Final = 2**16


class Run(NamedTuple):
    """Members that are read together, in the order of the archive; a large one is alone."""

    entries: tuple[Entry, ...]

    @property
    def start(self) -> int:
        """The position of the first member's header."""
        return self.entries[0].offset

    @property
    def ranges(self) -> list[Range]:
        """The ranges to read; several only for a single large member."""
        end = _end_of(self.entries[-1])
        return [
            Range(start, min(start + RUN_BYTES, end)) for start in range(self.start, end, RUN_BYTES)
        ]

    def pieces(
        self, parts: Iterator[bytes]
    ) -> Iterator[tuple[Entry, Iterator[bytes | memoryview]]]:
        """Yield each member with its part of the ranges' bytes."""
        if len(self.entries) == 1:
            yield self.entries[0], parts
            return
        data = memoryview(next(parts))
        for entry in self.entries:
            own = data[entry.offset - self.start : _end_of(entry) - self.start]
            yield entry, iter([own])


def runs_of(entries: Iterable[Entry]) -> Iterator[Run]:
    """Yield all entries in runs, each once, in the order of their offsets."""
    run: list[Entry] = []
    size = 0
    for entry in sorted(set(entries), key=lambda entry: entry.offset):
        if run and not _fits(entry, run, size):
            yield Run(tuple(run))
            run, size = [], 0
        run.append(entry)
        size += entry.size
    if run:
        yield Run(tuple(run))


def _fits(entry: Entry, run: list[Entry], size: int) -> bool:
    return (
        len(run) < MAX_RUN_MEMBERS
        and size + entry.size <= RUN_BYTES
        and max(entry.size, run[0].size) <= MAX_BYTES_AT_ONCE
        and entry.offset - _end_of(run[-1]) <= _GAP_BYTES
        and _end_of(entry) - run[0].offset <= RUN_BYTES
    )


def _end_of(entry: Entry) -> int:
    """Return the latest possible end of a member, whose header may have an extra field."""
    longest = HEADER_BYTES + len(entry.packed_name) + _MAX_EXTRA_BYTES + entry.packed_size
    return min(entry.end, entry.offset + longest)
