"""A flow that waits for people, as a data engineer would write it; tests deploy it."""

import time
from pathlib import Path
from typing import Literal

from prefect import flow

from tasks_lib import seed, wait_for_group

PATH = "acme/reviews/label-reviews"


@flow(name="ask-people")
def ask_people(
    mark: str,
    folder: str,
    rows: int = 1,
    also: tuple[int, ...] = (),
    timeout: float | None = None,
    on_timeout: Literal["raise", "partial"] = "raise",
) -> bool:
    """Seed rows of this mark, wait for them, and write down what happens."""
    note(folder, mark, "begins")
    while Path(folder, "hold").exists():
        time.sleep(0.1)
    report = seed(
        [{"review_id": f"{mark}-{row}", "body": "b", "stars": 5} for row in range(rows)],
        PATH,
        name=mark,
    )
    note(folder, mark, f"seeded {report.group_id}")
    is_finished = wait_for_group(report, *also, timeout=timeout, on_timeout=on_timeout)
    note(folder, mark, f"goes on {is_finished}")
    return is_finished


def note(folder: str, mark: str, line: str) -> None:
    """Add a line to the file of a mark."""
    with Path(folder, f"{mark}.txt").open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
