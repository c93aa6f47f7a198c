"""The flow that ``group_wait`` suspends: it notes when its first line runs, and waits."""

import time
from pathlib import Path

from prefect import flow


@flow(name="wait-for-a-task")
def wait_for_a_task(mark: str, folder: str) -> None:
    """Seed one row with this mark and wait for it."""
    with Path(folder, mark).open("a", encoding="utf-8") as file:
        file.write(f"{time.time()}\n")
    from tasks_lib import seed, wait_for_group  # noqa: PLC0415 - after the first line

    row = {"review_id": mark, "body": "b", "stars": 5}
    wait_for_group(seed([row], "acme/reviews/label-reviews", name=mark))
