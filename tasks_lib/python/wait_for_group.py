"""Wait until people have finished the tasks of groups."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal

from tasks_lib.domain.report import Report
from tasks_lib.errors import UsageError
from tasks_lib.operations.waiting.in_place import wait_in_place
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.python.flow_runs import is_in_flow_run
from tasks_lib.settings import read_settings


def wait_for_group(
    group: Report | Mapping[str, Any] | int,
    *more: Report | Mapping[str, Any] | int,
    timeout: timedelta | float | None = None,
    on_timeout: Literal["raise", "partial"] = "raise",
) -> bool:
    """Wait until all tasks of the groups are finished or withdrawn.

    In a deployed flow the run is suspended meanwhile: it has no process and takes no slot of a
    worker. When the groups are finished it is resumed, and **the body of the flow runs again from
    its beginning**: ``seed`` creates nothing twice, and other work belongs into tasks with
    persisted results, or has to be repeatable. Anywhere else this waits in place.

    Parameters
    ----------
    group
        The report that a seeding has returned, or the id of a group. A report without a group,
        because all tasks existed already, leaves nothing to wait for.
    more
        Further groups; the wait is over when all of them are finished.
    timeout
        How long to wait at most, in seconds or as a timedelta, from the first call on. By default,
        as long as it takes.
    on_timeout
        ``raise`` raises GroupTimedOutError, ``partial`` returns False.

    Returns True if the groups are finished. Raises GroupUndoneError if one of them is undone,
    NotFoundError, UsageError in a task, a subflow, an async flow or a flow with retries of a
    deployed run, and UnavailableError.
    """
    if on_timeout not in {"raise", "partial"}:
        raise UsageError(f"on_timeout is {on_timeout!r}; it must be 'raise' or 'partial'")
    group_ids = _ids_of((group, *more))
    limit = _limit_of(timeout)
    if not group_ids:
        return True
    raises = on_timeout == "raise"
    if is_in_flow_run():
        from tasks_lib.steps.waiting import suspend  # noqa: PLC0415 - loads Prefect

        if suspend.is_deployed():
            return suspend.wait_suspended(group_ids, timeout=limit, raises=raises)
    return _wait_in_place(group_ids, limit, raises=raises)


def _wait_in_place(group_ids: Sequence[int], limit: timedelta | None, *, raises: bool) -> bool:
    from tasks_lib.python.progress_bar import progress_bar  # noqa: PLC0415 - loads Rich

    seconds = limit.total_seconds() if limit is not None else None
    name = f"group {', '.join(map(str, group_ids))}"
    with (
        open_workspace(read_settings(), creates_store=False) as workspace,
        progress_bar(name) as on_progress,
    ):
        seen = wait_in_place(workspace.store, group_ids, timeout=seconds, on_progress=on_progress)
    if raises and not seen.is_finished:
        raise seen.timed_out(limit)
    return seen.is_finished


def _ids_of(groups: Sequence[Report | Mapping[str, Any] | int]) -> list[int]:
    """Return the ids of the groups, each once, in their order."""
    ids = [_id_of(group) for group in groups]
    return list(dict.fromkeys(group_id for group_id in ids if group_id is not None))


def _id_of(group: object) -> int | None:
    if isinstance(group, Report):
        return group.group_id
    if isinstance(group, Mapping) and "group_id" in group:  # as our flows return a report
        group = group["group_id"]
    if group is None or isinstance(group, int):
        return group
    raise UsageError(
        f"a group is {type(group).__name__}; give the report that a seeding has returned, or the "
        "number of the group"
    )


def _limit_of(timeout: timedelta | float | None) -> timedelta | None:
    if timeout is None or isinstance(timeout, timedelta):
        limit = timeout
    else:
        limit = timedelta(seconds=timeout)
    if limit is not None and limit < timedelta(0):
        raise UsageError(f"timeout is {timeout}; it must be 0 or more seconds")
    return limit
