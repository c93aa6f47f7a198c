"""Take the pictures of the documents again: ``python tests/pictures.py``, in about ten minutes.

The pictures of a large seeding come from a stack of this program, the others from tests that visit
the same pages. Look at what has changed before you commit it.
"""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from uuid import UUID

from playwright.sync_api import Page, expect

from browsers import browser_window
from installation import DEPLOYMENT, PATH, Installation, clean_environment, own_installation
from servers import wait_until
from tasks_lib.steps.forms.choices import refresh_choices

ROOT: Final = Path(__file__).parents[1]
IMAGES: Final = ROOT / "docs" / "images"
TESTS: Final = (
    "tests/flows/test_review_in_browser.py",
    "tests/deployments/test_automations_in_browser.py",
    "tests/deployments/test_tutorial.py::test_the_reader_sees_what_the_tutorial_shows",
)
ROWS: Final = 60_000
_DRAWING_MS: Final = 3_000
WRONG: Final = {1_208: "six", 23_771: "six", 40_122: "9"}


def main() -> None:
    """Take all pictures."""
    with TemporaryDirectory(prefix="pictures-") as name:
        folder = Path(name)
        with own_installation(folder, clean_environment(folder / "seeding")) as installation:
            refresh_choices(installation.workspace.store)
            run_id = seed(installation, write_reviews(folder))
            with browser_window(1280, 800) as window:
                take_seeding(window.new_page(), installation, run_id)
            with browser_window(1280, 1800) as window:
                take_form(window.new_page(), installation)
    environment = os.environ | {"SEEDING_TEST_PICTURES": str(IMAGES)}
    for test in TESTS:
        subprocess.run(
            [sys.executable, "-m", "pytest", "-n", "0", "-q", test],
            cwd=ROOT,
            env=environment,
            check=True,
        )


def write_reviews(folder: Path) -> Path:
    """Write a large file with three rows that are wrong."""
    path = folder / "reviews-2026-11-29.csv"
    rows = (
        f"r{row},A review of product {row % 977},{WRONG.get(row, row % 5 + 1)}\n"
        for row in range(1, ROWS + 1)
    )
    path.write_text("review_id,body,stars\n" + "".join(rows), encoding="utf-8")
    return path


def seed(installation: Installation, source: Path) -> UUID:
    """Seed the file from its deployment, and return the id of the flow run."""
    client = installation.client
    run = client.create_flow_run_from_deployment(
        client.read_deployment_by_name(DEPLOYMENT).id,
        parameters={"pipeline": PATH, "source": str(source), "on_error": "skip-rows"},
    )
    wait_until(lambda: installation.has_ended(run.id))
    return run.id


def take_seeding(page: Page, installation: Installation, run_id: UUID) -> None:
    """Take the page of the run, and the table of its rejected rows."""
    ui = f"{installation.stack.ui_url}/v2"
    page.goto(f"{ui}/runs/flow-run/{run_id}?tab=Artifacts")
    expect(page.get_by_text("3 problems").first).to_be_visible()
    page.wait_for_timeout(_DRAWING_MS)
    page.screenshot(path=IMAGES / "seeding-run.png")
    (table,) = [
        artifact
        for artifact in installation.client.read_artifacts()
        if artifact.type == "table" and artifact.flow_run_id == run_id
    ]
    page.goto(f"{ui}/artifacts/artifact/{table.id}")
    expect(page.get_by_text("above_maximum").first).to_be_visible()
    page.screenshot(path=IMAGES / "rejected-rows.png")


def take_form(page: Page, installation: Installation) -> None:
    """Take the form of seed-from-csv, with the list of pipelines open."""
    deployment = installation.client.read_deployment_by_name(DEPLOYMENT)
    page.goto(f"{installation.stack.ui_url}/v2/deployments/deployment/{deployment.id}/run")
    page.get_by_label("Run Name").fill("the reviews of November")
    page.get_by_role("button", name="Select").first.click()
    expect(page.get_by_role("option", name=PATH)).to_be_visible()
    page.wait_for_timeout(_DRAWING_MS)
    page.screenshot(path=IMAGES / "run-form.png")


if __name__ == "__main__":
    main()
