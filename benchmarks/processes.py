"""Processes that others have started, and their processor time; a helper of the benchmarks."""

import os
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")


def descendants(pid: int) -> list[int]:
    """Return the processes that a process, or one of these, has started and that still run."""
    children: defaultdict[int, list[int]] = defaultdict(list)
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            children[int(_fields(int(folder.name))[1])].append(int(folder.name))
    found: list[int] = []
    unseen = [pid]
    while unseen:
        unseen = [child for parent in unseen for child in children[parent]]
        found += unseen
    return found


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process and its descendants, with those that have ended."""
    seconds = 0.0
    for one in (pid, *descendants(pid)):
        with suppress(OSError):
            seconds += sum(int(ticks) for ticks in _fields(one)[11:15]) / _TICKS
    return seconds


def _fields(pid: int) -> list[str]:
    """Return the fields of ``/proc/PID/stat`` behind the name, the state first."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
