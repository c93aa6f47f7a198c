"""The mapping's form in the Prefect UI, filled in with Chromium, on a real server."""

import re
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from browsers import picture
from reviewed_flows import PATH, PATIENCE_SECONDS, ReviewedFlow, paused_run
from tasks_lib.operations.datasets.import_dataset import import_dataset
from tasks_lib.operations.datasets.import_request import ImportRequest
from tasks_lib.operations.tasks.read import list_tasks
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
    """A dataset with a unique name, so that its run can be found."""
    name = f"reviews-{uuid4().hex[:8]}"
    file = tmp_path / "reviews.jsonl"
    file.write_text(ROWS, encoding="utf-8")
    with open_workspace(read_settings()) as workspace:
        import_dataset(workspace, ImportRequest(organization="acme", name=name, source=str(file)))
    return name


def entry(page: Page, field: str) -> Locator:
    """Return the form's entry with this title."""
    title = page.locator(".schema-form-property__label", has_text=re.compile(rf"^\s*{field}\b"))
    return page.locator(".schema-form-property").filter(has=title).first


def dropdown(page: Page, field: str) -> Locator:
    return entry(page, field).locator(".p-select-button__control")


def choose(page: Page, field: str, column: str) -> None:
    dropdown(page, field).press("ArrowDown")  # a click that has to scroll first closes it again
    page.locator(".p-select-option", has_text=column).click()
    expect(dropdown(page, field)).to_have_text(column)


def open_form(page: Page) -> Locator:
    page.get_by_role("button", name="Resume").first.click()
    return page.get_by_role("dialog")


def look_in_second_ui(browser: BrowserContext, url: str) -> None:
    """Open the form in Prefect's second UI, and check that it shows the plan."""
    page = browser.new_page()
    page.goto(url)
    page.get_by_role("button", name="Open menu").click()
    page.get_by_role("menuitem", name="Resume").click()
    dialog = page.get_by_role("dialog")
    instruction = dialog.get_by_text("Choose the column that fills each field, then submit.")
    expect(instruction).to_be_in_viewport()
    expect(dialog.get_by_role("cell", name='"Fits well", "Too small"')).to_be_in_viewport()
    for field in ("review_id", "body", "stars"):
        preset = dialog.locator("button", has_text=re.compile(rf"^{field}$"))
        expect(preset).to_have_count(1)
    picture(page, "review-mapping-plan")
    page.close()


def test_a_person_changes_the_mapping_and_the_tasks_are_as_chosen(
    browser: BrowserContext, prefect: httpx.Client, prefect_api: str, dataset: str
) -> None:
    flow = ReviewedFlow(prefect_api, dataset)
    flow.start()
    run = paused_run(prefect, dataset)
    ui = prefect_api.removesuffix("/api")
    look_in_second_ui(browser, f"{ui}/v2/runs/flow-run/{run['id']}")
    page = browser.new_page()
    page.goto(f"{ui}/runs/flow-run/{run['id']}")
    dialog = open_form(page)
    planned = [dropdown(page, name) for name in ("review_id", "body", "stars", "sentiment")]
    for shown, column in zip(planned, ("review_id", "body", "stars", "(skip)"), strict=True):
        expect(shown).to_have_text(column)
    labels = [
        entry(page, name).locator(".schema-form-property__label").first
        for name in ("review_id", "body", "stars", "sentiment")
    ]
    for label, text in zip(
        labels, ("review_id", "body", "stars (Optional)", "sentiment (Optional)"), strict=True
    ):
        expect(label).to_have_text(text)
    choose(page, "body", "headline")
    choose(page, "stars", "(skip)")
    dialog.get_by_role("button", name="Submit").click()
    expect(dialog).to_have_count(0)

    shown = run["state"]["state_details"]["run_input_keyset"]["schema"]
    paused_run(prefect, dataset, unlike=shown)
    page.reload()
    dialog = open_form(page)
    expect(dialog).to_contain_text(
        'body is filled by headline instead of body: "Fits well", "Too small"'
    )
    expect(dialog).to_contain_text("stars is filled by nothing instead of stars")
    lead = entry(page, "review_id").get_by_text("You changed the mapping.")
    expect(lead).to_be_in_viewport()  # the text above the form is not, since the form is long
    expect(entry(page, "body")).to_contain_text('First values: "Fits well", "Too small"')
    expect(dropdown(page, "body")).to_have_text("headline")
    picture(page, "review-mapping-again")
    dialog.get_by_role("button", name="Submit").click()
    expect(dialog).to_have_count(0)

    flow.join(timeout=PATIENCE_SECONDS)
    assert (flow.state.name, flow.state.message) == (
        "Completed", f"'{dataset}' created 2 tasks in group 1.",
    )  # fmt: skip
    with open_workspace(read_settings()) as workspace:
        assert [task.fields for task in list_tasks(workspace.store, PATH)] == [
            '{"review_id":"r1","body":"Fits well"}',
            '{"review_id":"r2","body":"Too small"}',
        ]
