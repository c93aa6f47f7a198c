"""Automations that a person switches and creates in the Prefect UI, with Chromium."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from browsers import click_and_wait, click_until_answered, picture
from installation import PATH, QA, Installation
from people import make_tasks
from servers import wait_until
from tasks_lib.deploy.manifest import WORK_POOL
from tasks_lib.operations.chains.due import Fired, fire_chain
from tasks_lib.operations.chains.manage import Chain, find_chain
from tasks_lib.steps import automations

SEEDS = "Check the labels when all are there"
TELLS = "Tell the team of new tasks"
OWN_FLOW = """
from prefect import flow


@flow(name="tell-the-team")
def tell_the_team() -> str:
    return "told"
"""


def page_of(browser: BrowserContext, installation: Installation, path: str) -> Page:
    page = browser.new_page()
    page.goto(f"{installation.stack.ui_url}{path}")
    return page


def switch_of(page: Page, name: str) -> Locator:
    return page.locator(".automation-card", has_text=name).get_by_role("switch")


def flip(page: Page, name: str, state: str) -> None:
    """Click a switch until the server, whose SQLite may be locked, has changed the automation.

    After a change that was refused, a switch shows the old state, but its next click asks for that
    one. So the page is loaded anew.
    """
    switch = switch_of(page, name)
    while not click_and_wait(switch, "PATCH", r"/automations/[^/]+$"):
        page.reload()
    page.reload()  # it reads the automation only once after the change, which may fail, too
    expect(switch).to_have_attribute("aria-checked", state)


def is_paused(installation: Installation, chain: Chain) -> bool:
    """Follow the switches, as each run does first; return whether the chain is paused then."""
    automations.mirror_switches(installation.workspace.store)
    return find_chain(installation.workspace.store, chain.id).is_paused


def test_a_chain_switched_off_in_the_ui_is_paused_and_catches_up_when_switched_on(
    browser: BrowserContext, installation: Installation, chain: Chain, tmp_path: Path
) -> None:
    workspace = installation.workspace
    page = page_of(browser, installation, "/automations")
    expect(switch_of(page, chain.name)).to_have_attribute("aria-checked", "true")
    expect(page.locator(".automation-card", has_text=chain.name)).to_contain_text("seed-chain")
    picture(page, "chain-automation")
    flip(page, chain.name, "false")
    wait_until(lambda: is_paused(installation, chain))
    make_tasks(workspace, tmp_path, 2, "paused.csv")
    done = set(installation.finish_all())
    assert fire_chain(workspace, chain.id, at=datetime.now(UTC)) == Fired()
    assert not done & set(installation.origins())
    flip(page, chain.name, "true")
    wait_until(lambda: not is_paused(installation, chain))
    fire_chain(workspace, chain.id, at=datetime.now(UTC))
    assert done <= set(installation.origins())


def choose(page: Page, select: str, option: str) -> None:
    page.locator(f"{select} .p-select-button__control").press("ArrowDown")
    page.locator(".p-select-option", has_text=option).click()


def make_automation(
    browser: BrowserContext,
    installation: Installation,
    *,
    name: str,
    trigger: dict[str, Any],
    deployment: str,
) -> None:
    """Create an automation as docs/how-to/chains.md says, with a picture of its two steps."""
    page = page_of(browser, installation, "/automations/create")
    choose(page, ".automation-trigger-template-select", "Custom")
    page.get_by_role("button", name="JSON").click()
    page.locator(".p-code-input__textarea").fill(json.dumps(trigger, indent=2))
    picture(page, f"{deployment}-trigger")
    page.get_by_role("button", name="Next").click()
    choose(page, ".automation-action-type-select", "Run a deployment")
    choose(page, ".automation-deployment-combobox", deployment)
    expect(page.locator(".automation-action-run-deployment")).to_contain_text("Job Variables")
    picture(page, f"{deployment}-action")
    page.get_by_role("button", name="Next").click()
    page.locator(".automation-wizard-step-details input").first.fill(name)
    save = page.get_by_role("button", name="Save")
    click_until_answered(save, "POST", r"/automations/?$")
    expect(switch_of(page, name)).to_have_attribute("aria-checked", "true")
    picture(page, f"{deployment}-automation")


def event_trigger(name: str, pipeline: str) -> dict[str, Any]:
    return {
        "type": "event",
        "posture": "Reactive",
        "expect": [name],
        "match": {"prefect.resource.name": pipeline},
        "threshold": 1,
        "within": 0,
    }


@pytest.fixture
def own_deployments(
    installation: Installation, stack_settings: None, tmp_path: Path
) -> Iterator[None]:
    """Two deployments without required parameters; their automations are deleted afterwards."""
    client = installation.client
    model = client.read_deployment_by_name("seed-from-pipeline/seed-from-pipeline")
    client.create_deployment(
        flow_id=model.flow_id,
        name="check-finished-labels",
        entrypoint=model.entrypoint,
        work_pool_name=model.work_pool_name,
        pull_steps=model.pull_steps,
        parameter_openapi_schema=model.parameter_openapi_schema,
        parameters={"pipeline": QA, "source_pipeline": PATH},
    )
    (tmp_path / "own_flow.py").write_text(OWN_FLOW, encoding="utf-8")
    client.create_deployment(
        flow_id=client.create_flow_from_name("tell-the-team"),
        name="tell-the-team",
        entrypoint="own_flow.py:tell_the_team",
        path=str(tmp_path),
        work_pool_name=WORK_POOL,
    )
    yield
    for name in (SEEDS, TELLS):
        for automation in client.read_automations_by_name(name):
            client.delete_automation(automation.id)


@pytest.mark.usefixtures("own_deployments")
def test_automations_created_in_the_ui_seed_a_pipeline_and_start_a_deployment(
    browser: BrowserContext, installation: Installation, tmp_path: Path
) -> None:
    make_automation(
        browser,
        installation,
        name=SEEDS,
        trigger=event_trigger("seeding.pipeline.finished", PATH),
        deployment="check-finished-labels",
    )
    make_automation(
        browser,
        installation,
        name=TELLS,
        trigger=event_trigger("seeding.group.created", QA),
        deployment="tell-the-team",
    )
    make_tasks(installation.workspace, tmp_path, 2, "own.csv")
    done = set(installation.finish_all())
    wait_until(lambda: done <= set(installation.origins()))

    def own_states() -> list[str]:
        runs = installation.runs("tell-the-team")
        return [run.state.name or "" for run in runs if run.state is not None]

    wait_until(lambda: own_states() == ["Completed"])
    assert [run.state.name for run in installation.runs("check-finished-labels") if run.state] == [
        "Completed"
    ]
