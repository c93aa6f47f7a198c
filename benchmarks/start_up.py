"""How long a command takes to start: the processor time of small commands on a small store.

Each is given in seconds and as a share of ``python -c "import sqlalchemy"``, which every command
that opens the store includes. The commands take turns, in a folder without settings of Prefect,
after a round that compiles what is not compiled yet.
"""

import argparse
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

_PATH: Final = "acme/reviews/label-reviews"
_FLOOR: Final = "python -c pass"
_BASELINE: Final = 'python -c "import sqlalchemy"'
_COMMANDS: Final = (
    "seeding --version",
    "seeding --help",
    "seeding seed csv --help",
    "seeding pipeline list",
    f"seeding tasks list {_PATH}",
    f"seeding seed csv {_PATH} reviews.csv --allow-duplicate",
)
_HEADER: Final = "review_id,body,stars\n"
_ROWS: Final = "".join(f"{number},body,5\n" for number in range(4))


class Cost(NamedTuple):
    """The processor time of a process, and its peak of resident memory."""

    seconds: float
    peak_bytes: int


def main() -> None:
    """Measure, and print Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start_up", description=__doc__)
    parser.add_argument("--repeat", type=int, default=9, help="measurements of each command")
    options = parser.parse_args()
    with TemporaryDirectory(prefix="seeding-benchmark-") as folder:
        _prepare(Path(folder))
        _measure_in_turns([_BASELINE, *_COMMANDS], Path(folder), 1)
        costs = _measure_in_turns([_FLOOR, _BASELINE, *_COMMANDS], Path(folder), options.repeat)
        baseline = costs[_BASELINE].seconds
        print("| command | seconds | of the baseline | peak memory |")
        print("| --- | ---: | ---: | ---: |")
        for line, (seconds, peak_bytes) in costs.items():
            is_baseline = "**baseline**: " if line == _BASELINE else ""
            print(
                f"| {is_baseline}`{line}` | {seconds:.3f} | {seconds / baseline:.0%} "
                f"| {peak_bytes / 1e6:.0f} MB |"
            )


def _prepare(folder: Path) -> None:
    catalogue = Path(__file__).parents[1] / "examples" / "catalogue.yaml"
    (folder / "reviews.csv").write_text(_HEADER + _ROWS)
    _measure(f"seeding apply {shlex.quote(str(catalogue))}", folder)
    _measure(f"seeding seed csv {_PATH} reviews.csv", folder)


def _measure_in_turns(lines: Sequence[str], folder: Path, repeat: int) -> dict[str, Cost]:
    rounds = [[_measure(line, folder) for line in lines] for _ in range(repeat)]
    return {
        line: _median(costs) for line, costs in zip(lines, zip(*rounds, strict=True), strict=True)
    }


def _median(costs: Sequence[Cost]) -> Cost:
    return Cost(median(cost.seconds for cost in costs), max(cost.peak_bytes for cost in costs))


def _measure(line: str, folder: Path) -> Cost:
    """Run a command and return its cost; raise RuntimeError if it fails."""
    program, *arguments = shlex.split(line)
    command = [sys.executable, *([] if program == "python" else ["-m", "tasks_lib"]), *arguments]
    process = subprocess.Popen(
        command, cwd=folder, env=dict(_environment(folder)), stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{line} ended with {process.returncode}")
    factor = 1 if sys.platform == "darwin" else 1_024
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss * factor)


def _environment(folder: Path) -> Iterator[tuple[str, str]]:
    for name, value in os.environ.items():
        if not name.startswith(("PREFECT_", "SEEDING_")) and name != "PYTHONDONTWRITEBYTECODE":
            yield name, value
    yield "PREFECT_HOME", str(folder / "prefect")
    yield "SEEDING_HOME", str(folder / "seeding")


if __name__ == "__main__":
    main()
