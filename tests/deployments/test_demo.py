"""``make demo``, as a person who has configured something else meets it."""

import os
import re
import subprocess
import sys
from pathlib import Path

from deployments.manifest import ROOT

PAGE = r"\d+\.\d s  http://127\.0\.0\.1:\d+/runs/flow-run/[\w-]+"


def table_of(lines: list[str]) -> list[list[str]]:
    """Return the first four words of each line of the table that the demo ends with."""
    start = lines.index("What was made, and by which way") + 2
    (end,) = [number for number, line in enumerate(lines) if line.startswith("done in")]
    return [line.split()[:4] for line in lines[start:end]]


def test_the_demo_shows_each_way_of_creating_tasks_and_that_nothing_doubles(tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    elsewhere = {
        "PREFECT_API_URL": "http://prefect.invalid/api",
        "PREFECT_API_KEY": "somebody-elses",
        "SEEDING_DATABASE_URL": "postgresql+psycopg://nobody@database.invalid/x",
        "SEEDING_STORAGE_URL": "s3://nowhere/at-all",
        "TMPDIR": str(temporary),
        "COLUMNS": "120",
    }
    demo = subprocess.run(
        [sys.executable, "-m", "deployments.demo"],
        env=os.environ | elsewhere,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    lines = [" ".join(line.split()) for line in demo.stdout.splitlines()]
    assert (demo.returncode, demo.stderr) == (0, "")
    assert [line for line in lines if re.match(r"\d+\. ", line)] == [
        "1. Start Prefect and the External API",
        "2. Apply examples/catalogue.yaml: the pipelines and their fields",
        "3. A CSV file: each row becomes a task",
        "4. A ZIP: a CSV and the images that its rows name",
        "5. A dataset: nested rows, and a mapping of columns to fields",
        "6. The External API: another program creates tasks",
        "7. Blank tasks in bulk, where nothing is predefined",
        "8. Another pipeline: what is finished there becomes tasks here",
        "9. A chain: the same, by itself, soon after a task is finished",
        "10. Infinite seeding: a sensor watches claims and makes new tasks",
    ]
    assert table_of(lines) == [
        ["csv", "4", "acme/reviews/label-reviews", "examples/reviews.csv"],
        ["zip", "4", "acme/photos/describe-photos", "examples/photos.zip"],
        ["dataset", "3", "acme/reviews/label-reviews", "web-reviews"],
        ["api", "1", "acme/reviews/label-reviews", "key"],
        ["bulk", "250", "acme/ideas/collect-ideas", "bulk"],
        ["pipeline", "1", "acme/qa/check-descriptions", "acme/photos/describe-photos"],
        ["chain", "1", "acme/qa/check-labels", "acme/reviews/label-reviews"],
        ["infinite", "2", "acme/ideas/tell-stories", "blank"],
    ]
    assert [line for line in lines if line.startswith("'reviews.csv'")] == [
        "'reviews.csv' created 4 tasks in group 1.",
        "'reviews.csv' was seeded before: group 1 holds its 4 tasks, so nothing was created.",
    ]
    assert [line.split()[1] for line in lines if line.startswith("already_seeded")] == [
        "0", "4", "0", "0", "0", "0",
    ]  # fmt: skip
    assert "from chain 1, task 1 of acme/reviews/label-reviews" in lines
    assert "opened: 1,201 bytes of image/png, as they were in the ZIP" in lines
    assert [line for line in lines if line.startswith("4 ")] == [
        '4 pending 4 "12345678901234567890" " padded on both sides " null'
    ]
    assert len(re.findall(PAGE, demo.stdout)) == 6
    assert list(temporary.iterdir()) == []
