"""Which members of an archive are read together, so that few requests fetch many."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from tasks_lib.intake.archive_directory import HEADER_BYTES, Entry
from tasks_lib.intake.members import MAX_BYTES_AT_ONCE
from tasks_lib.intake.ranges import Range

RUN_BYTES: Final = 4 * 2**20
MAX_RUN_MEMBERS: Final = 256
_GAP_BYTES: Final = 2**16
"""Reading over so much costs less than another request."""

_MAX_EXTRA_BYTES: Final = 2**16


class Run(NamedTuple):
    """Members that are read together, in the order in which they lie; a large one is alone."""

    entries: tuple[Entry, ...]

    @property
    def start(self) -> int:
        """Where the first member's header begins."""
        return self.entries[0].offset

    @property
    def ranges(self) -> list[Range]:
        """The ranges to read; it is one, unless a single member is too large for that."""
        end = _end_of(self.entries[-1])
        return [
            Range(start, min(start + RUN_BYTES, end)) for start in range(self.start, end, RUN_BYTES)
        ]

    def pieces(
        self, parts: Iterator[bytes]
    ) -> Iterator[tuple[Entry, Iterator[bytes | memoryview]]]:
        """Yield each member with its part of what the ranges held."""
        if len(self.entries) == 1:
            yield self.entries[0], parts
            return
        data = memoryview(next(parts))
        for entry in self.entries:
            own = data[entry.offset - self.start : _end_of(entry) - self.start]
            yield entry, iter([own])


def runs_of(entries: Iterable[Entry]) -> Iterator[Run]:
    """Yield all entries in runs, each of them once, in the order of their offsets."""
    held: list[Entry] = []
    size = 0
    for entry in sorted(set(entries), key=lambda entry: entry.offset):
        if held and not _fits(entry, held, size):
            yield Run(tuple(held))
            held, size = [], 0
        held.append(entry)
        size += entry.size
    if held:
        yield Run(tuple(held))


def _fits(entry: Entry, held: list[Entry], size: int) -> bool:
    return (
        len(held) < MAX_RUN_MEMBERS
        and size + entry.size <= RUN_BYTES
        and max(entry.size, held[0].size) <= MAX_BYTES_AT_ONCE
        and entry.offset - _end_of(held[-1]) <= _GAP_BYTES
        and _end_of(entry) - held[0].offset <= RUN_BYTES
    )


def _end_of(entry: Entry) -> int:
    """Return where a member ends at the latest; its header may have an extra field of any size."""
    longest = HEADER_BYTES + len(entry.packed_name) + _MAX_EXTRA_BYTES + entry.packed_size
    return min(entry.end, entry.offset + longest)
