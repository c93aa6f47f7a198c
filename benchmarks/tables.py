"""The table of loads that several benchmarks print; measures nothing itself."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import median
from typing import TypeAlias

from benchmarks.load_once import Load

Loads: TypeAlias = Mapping[str, Sequence[Load]]


def collect(rounds: Iterable[Iterable[tuple[str, Load]]]) -> Loads:
    """Return the loads of all rounds by their names, in the order of the first round."""
    loads: dict[str, list[Load]] = {}
    for of_round in rounds:
        for name, load in of_round:
            loads.setdefault(name, []).append(load)
    return loads


def medians_of(loads: Loads) -> Mapping[str, float]:
    """Return the median seconds of each load."""
    return {name: median(load.seconds for load in some) for name, some in loads.items()}


def table(loads: Loads, rows: int) -> Iterator[str]:
    """Yield the lines of a table in Markdown, which compares each load with the first one."""
    medians = medians_of(loads)
    first = next(iter(medians.values()))
    yield "| Load | Median | Lowest to highest | Rows a second | Of the first | Peak memory |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    for name, some in loads.items():
        seconds = [load.seconds for load in some]
        peak = max(load.peak_bytes for load in some) / 1e6
        yield (
            f"| {name} | {medians[name]:.2f} s | {min(seconds):.2f} to {max(seconds):.2f} s "
            f"| {rows / medians[name]:,.0f} | {medians[name] / first:.2f} | {peak:,.0f} MB |"
        )
