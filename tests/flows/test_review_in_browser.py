"""The mapping's form in the Prefect UI, as a person meets it: in a Chromium, on a real server."""

from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from browsers import picture
from reviewed_flows import PATH, PATIENCE_SECONDS, Reviewed, paused_run
from tasks_lib.operations import queries
from tasks_lib.operations.import_dataset import ImportRequest, import_dataset
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.settings import read_settings

ROWS = (
    '{"review_id": "r1", "headline": "Fits well", "body": "It fits.", "stars": 5, '
    '"author": {"name": "Ada", "city": "Turin"}}\n'
    '{"review_id": "r2", "headline": "Too small", "body": "It does not.", "stars": 2, '
    '"author": {"name": "Ben", "city": "Lyon"}}\n'
)


@pytest.fixture
def dataset(flow_workspace: None, tmp_path: Path) -> str:
    """A dataset of a name of its own, so that its run can be found."""
    name = f"reviews-{uuid4().hex[:8]}"
    file = tmp_path / "reviews.jsonl"
    file.write_text(ROWS, encoding="utf-8")
    with open_workspace(read_settings()) as workspace:
        import_dataset(workspace, ImportRequest("acme", name, str(file)))
    return name


def entry(page: Page, field: str) -> Locator:
    """Return the form's entry of this title."""
    title = page.locator(".schema-form-property__label", has_text=f"{field} (Optional)")
    return page.locator(".schema-form-property").filter(has=title)


def dropdown(page: Page, field: str) -> Locator:
    return entry(page, field).locator(".p-select-button__control")


def choose(page: Page, field: str, column: str) -> None:
    dropdown(page, field).press("ArrowDown")  # a click that has to scroll first closes it again
    page.locator(".p-select-option", has_text=column).click()
    expect(dropdown(page, field)).to_have_text(column)


def test_a_person_changes_the_mapping_and_the_tasks_are_as_chosen(
    browser: BrowserContext, prefect: httpx.Client, prefect_api: str, dataset: str
) -> None:
    flow = Reviewed(prefect_api, dataset)
    flow.start()
    run = paused_run(prefect, dataset)
    page = browser.new_page()
    page.goto(f"{prefect_api.removesuffix('/api')}/runs/flow-run/{run['id']}")
    page.get_by_role("button", name="Resume").first.click()

    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Choose the column that fills each field, then submit.")
    expect(dialog).to_contain_text('"Fits well", "Too small"')
    planned = [dropdown(page, name) for name in ("review_id", "body", "stars", "sentiment")]
    for shown, column in zip(planned, ("review_id", "body", "stars", "(skip)"), strict=True):
        expect(shown).to_have_text(column)
    picture(page, "review-mapping-plan")
    choose(page, "body", "headline")
    choose(page, "stars", "(skip)")
    entry(page, "sentiment").scroll_into_view_if_needed()
    picture(page, "review-mapping-form")
    dialog.get_by_role("button", name="Submit").click()

    expect(dialog).to_have_count(0)
    flow.join(timeout=PATIENCE_SECONDS)
    assert (flow.state.name, flow.state.message) == (
        "Completed", f"'{dataset}' created 2 tasks in group 1.",
    )  # fmt: skip
    with open_workspace(read_settings()) as workspace:
        assert [task.fields for task in queries.list_tasks(workspace.store, PATH)] == [
            '{"review_id":"r1","body":"Fits well"}',
            '{"review_id":"r2","body":"Too small"}',
        ]
