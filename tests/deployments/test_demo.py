"""``make demo``, in an environment that configures something else."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx

from deployments.repository import ROOT
from servers import PATIENCE_SECONDS, wait_until

PAGE = r"\d+\.\d s  http://127\.0\.0\.1:\d+/runs/flow-run/[\w-]+"


def table_of(lines: list[str]) -> list[list[str]]:
    """Return the first four words of each line of the table that the demo ends with."""
    start = lines.index("Summary: tasks by way of seeding") + 2
    (end,) = [number for number, line in enumerate(lines) if line.startswith("done in")]
    return [line.split()[:4] for line in lines[start:end]]


def test_the_demo_shows_each_way_of_creating_tasks_without_duplicates(tmp_path: Path) -> None:
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
        "1. Start Prefect and the HTTP API",
        "2. Apply examples/catalogue.yaml: the pipelines and their fields",
        "3. A CSV file: each row becomes a task",
        "4. A ZIP: a CSV and the images that its rows name",
        "5. A dataset: nested rows, and a mapping of columns to fields",
        "6. The HTTP API: another program creates tasks",
        "7. Blank tasks in bulk",
        "8. Another pipeline: its finished tasks become tasks here",
        "9. A chain: the same, automatically, soon after a task is finished",
        "10. Infinite seeding: a sensor watches claims and creates new tasks",
        "11. A second night: the file repeats known rows, and only new ones become tasks",
        "12. A flow that waits for people: a DataFrame goes out, answers come back",
        "13. The answers: a DataFrame, and a Parquet file on S3",
    ]
    assert table_of(lines) == [
        ["csv", "4", "acme/reviews/label-reviews", "examples/reviews.csv"],
        ["zip", "4", "acme/photos/describe-photos", "examples/photos.zip"],
        ["dataset", "3", "acme/reviews/label-reviews", "web-reviews"],
        ["api", "1", "acme/reviews/label-reviews", "key"],
        ["bulk", "250", "acme/ideas/collect-ideas", "bulk"],
        ["pipeline", "1", "acme/qa/check-descriptions", "acme/photos/describe-photos"],
        ["chain", "3", "acme/qa/check-labels", "acme/reviews/label-reviews"],
        ["infinite", "2", "acme/ideas/tell-stories", "blank"],
        ["csv", "3", "acme/reviews/nightly-reviews", "examples/monday.csv"],
        ["csv", "1", "acme/reviews/nightly-reviews", "examples/tuesday.csv"],
        ["frame", "2", "acme/predictions/check-sentiments", "predictions"],
    ]
    # How many groups the chain and the sensor create, depends on how fast they are.
    sentences = [re.sub(r"(group )1[0-9]", r"\1…", line) for line in lines]
    assert [line for line in sentences if re.match(r"'[^']+' (created|was)", line)] == [
        "'reviews.csv' created 4 tasks in group 1.",
        "'reviews.csv' was seeded before: group 1 holds its 4 tasks, so nothing was created.",
        "'photos.zip' created 4 tasks in group 2.",
        "'web-reviews' created 3 tasks in group 3.",
        "'bulk' created 250 tasks in group 5.",
        "'describe-photos' created 1 task in group 6.",
        "'monday.csv' created 3 tasks in group ….",
        "'tuesday.csv' created 1 task in group …, 2 existed already, 1 existed with other values.",
    ]
    assert "from chain 1, task 1 of acme/reviews/label-reviews" in lines
    assert "opened: 1,201 bytes of image/png, as they were in the ZIP" in lines
    assert [line for line in lines if line.startswith("4 ")] == [
        '4 pending 4 "12345678901234567890" " padded on both sides " null'
    ]
    assert "exported 3 tasks to s3://lake/labels, in 1 file." in lines
    assert "nothing was finished since the last export to s3://lake/labels." in lines
    assert "pd.read_parquet('s3://lake/labels/') has the same 3 tasks." in lines
    assert len(re.findall(PAGE, demo.stdout)) == 10
    assert list(temporary.iterdir()) == []


def test_slow_acts_are_marked_and_the_servers_stay_until_a_signal(tmp_path: Path) -> None:
    output = tmp_path / "output.txt"
    command = [sys.executable, "-m", "deployments.demo", "--keep", "--patience", "0.01"]
    with output.open("wb") as file:
        demo = subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT)

    def text() -> str:
        return output.read_text(encoding="utf-8")

    def stays() -> bool:
        assert demo.poll() is None, text()
        return "Ctrl-C stops everything." in text()

    try:
        wait_until(stays, seconds=600)
        (api,) = re.findall(r"^  export PREFECT_API_URL=(\S+)$", text(), re.MULTILINE)
        (home,) = re.findall(r"^  export SEEDING_HOME=(\S+)$", text(), re.MULTILINE)
        assert (
            httpx.get(f"{api}/health", timeout=PATIENCE_SECONDS).json(),
            Path(home).is_dir(),
        ) == (True, True)
    finally:
        demo.send_signal(signal.SIGINT)
        assert demo.wait(PATIENCE_SECONDS) == 1
    summary = text().split("Summary: tasks by way of seeding\n")[1]
    failed = re.findall(r"^  FAILED: (\d+)\. [^:]+: .+$", summary, re.MULTILINE)
    assert failed == [
        "3", "4", "5", "7", "8", "9", "10", "11", "12",  # the sixth waits for nothing
    ]  # fmt: skip
    assert ["api", "1", "acme/reviews/label-reviews"] in [
        line.split()[:3] for line in summary.splitlines()
    ]
    assert "\nerror: failed: 3. A CSV file: each row becomes a task; 4. " in summary
    assert not Path(home).exists()


def test_it_prints_help_and_starts_nothing() -> None:
    command = [sys.executable, "-m", "deployments.demo", "--help"]
    completion = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (completion.returncode, completion.stderr) == (0, "")
    assert completion.stdout.startswith(
        "usage: python -m deployments.demo [-h] [--keep] [--patience"
    )
