"""``make demo``, as a person who has configured something else meets it."""

import os
import re
import subprocess
import sys
from pathlib import Path

from deployments.manifest import ROOT

PAGE = (
    r"its page in Prefect's UI, while the demo runs: http://127\.0\.0\.1:\d+/runs/flow-run/[\w-]+"
)


def test_the_demo_shows_the_tasks_and_that_nothing_doubles(tmp_path: Path) -> None:
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
        timeout=300,
        check=False,
    )
    lines = [" ".join(line.split()) for line in demo.stdout.splitlines()]
    assert (demo.returncode, demo.stderr) == (0, "")
    assert [line for line in lines if re.match(r"\d\. ", line)] == [
        "1. Start Prefect",
        "2. Apply examples/catalogue.yaml: the pipelines and their fields",
        "3. Seed examples/reviews.csv through the deployment seed-from-csv",
        "4. The tasks, ready for contributors; every value is as it was written",
        "5. Seed the same file again: nothing doubles",
        "6. Seed examples/photos.zip: a CSV and the images that its rows name",
        "7. One of its tasks, whose image opens",
        "8. Chain acme/qa/check-labels to acme/reviews/label-reviews, and finish a task",
        "9. Stop everything",
    ]
    assert [line for line in lines if line.startswith("'reviews.csv'")] == [
        "'reviews.csv' created 4 tasks in group 1.",
        "'reviews.csv' was seeded before: group 1 holds its 4 tasks, so nothing was created.",
    ]
    assert [line.split()[1] for line in lines if line.startswith("already_seeded")] == [
        "0", "4", "0",
    ]  # fmt: skip
    assert "from chain 1, task 1 of acme/reviews/label-reviews" in lines
    assert "opened: 1,201 bytes of image/png, as they were in the ZIP" in lines
    assert [line for line in lines if line.startswith("4 ")] == [
        '4 pending 4 "12345678901234567890" " padded on both sides " null'
    ]
    assert len(re.findall(PAGE, demo.stdout)) == 3
    assert list(temporary.iterdir()) == []
