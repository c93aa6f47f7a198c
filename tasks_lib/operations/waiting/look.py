"""Look at the groups that somebody waits for: how far they are, and whether one was undone."""

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from tasks_lib.domain.lifecycle import BLOCKED, DONE
from tasks_lib.domain.names import counted
from tasks_lib.domain.progress import Progress
from tasks_lib.domain.statuses import GroupState
from tasks_lib.errors import GroupTimedOutError, GroupUndoneError
from tasks_lib.operations.groups.read import CountedGroup, find_group
from tasks_lib.store.engine import Store


class Look(NamedTuple):
    """The groups of a wait, as they are now."""

    groups: tuple[CountedGroup, ...]

    @property
    def is_finished(self) -> bool:
        """Whether all tasks are finished or withdrawn; true for groups without tasks."""
        return self.done == self.total

    @property
    def done(self) -> int:
        """The number of tasks that are finished or withdrawn."""
        return sum(group.counts[status] for group in self.groups for status in DONE)

    @property
    def total(self) -> int:
        """The number of tasks."""
        return sum(sum(group.counts.values()) for group in self.groups)

    @property
    def progress(self) -> Progress:
        """How far the groups are, for a progress bar."""
        return Progress(self.done, self.total, self.done, "task")

    @property
    def sentence(self) -> str:
        """How far each group is, in one sentence without an end."""
        return "; ".join(map(_sentence, self.groups))

    def timed_out(self, timeout: timedelta | None) -> GroupTimedOutError:
        """Return the error that the groups were not finished in time."""
        seconds = round(timeout.total_seconds()) if timeout is not None else 0
        return GroupTimedOutError(f"not finished in {counted(seconds, 'second')}: {self.sentence}")

    def check_undone(self) -> None:
        """Raise GroupUndoneError if a group was undone: it never has all of its tasks again."""
        for counted_group in self.groups:
            group = counted_group.group
            if group.state is not GroupState.CREATED:
                raise GroupUndoneError(
                    f"group {group.id} was undone by {group.undone_by} while it was awaited: "
                    f"{counted(group.removed, 'task')} removed; seed it again, or wait for another"
                )


def look(store: Store, group_ids: Sequence[int]) -> Look:
    """Return the groups with these ids; raise NotFoundError."""
    return Look(tuple(find_group(store, group_id) for group_id in group_ids))


def _sentence(counted_group: CountedGroup) -> str:
    counts = counted_group.counts
    done = sum(counts[status] for status in DONE)
    total = sum(counts.values())
    blocked = [f"{counts[status]:,} {status}" for status in counts if status in BLOCKED]
    blocking = [text for text in blocked if not text.startswith("0 ")]
    others = f" ({', '.join(blocking)})" if blocking else ""
    return f"group {counted_group.group.id}: {done:,} of {counted(total, 'task')} done{others}"
