"""A person fills in the run form of each deployment in both UIs of Prefect, with Chromium."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import pytest
from playwright.sync_api import (
    BrowserContext,
    Locator,
    Page,
    Request,
    TimeoutError as TooSlow,
    expect,
)
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL, temporary_settings

from browsers import browser_window, click_until_answered, picture
from installation import PATH, QA, Installation
from people import finish, make_tasks
from photos import png, write_zip
from servers import wait_until
from tasks_lib.operations.datasets.import_dataset import import_dataset
from tasks_lib.operations.datasets.import_request import ImportRequest
from tasks_lib.steps.forms.choices import TAG, add_choices, list_choices, refresh_choices

PHOTOS = "acme/photos/describe-photos"
IDEAS = "acme/ideas/collect-ideas"
DATASET = "reviews-of-the-forms"


class RunForm(ABC):
    """The form of a deployment in one of the UIs."""

    version: str
    inputs: str
    """The inputs of a parameter, as a CSS selector."""

    def __init__(self, window: BrowserContext, installation: Installation, deployment: str) -> None:
        model = installation.client.read_deployment_by_name(f"{deployment}/{deployment}")
        schema = model.parameter_openapi_schema or {}
        self.titles = [member["title"] for member in schema["properties"].values()]
        self.page: Page = window.new_page()
        self.page.goto(self.url(installation, f"deployments/deployment/{model.id}/run"))
        expect(self.entry(self.titles[0])).to_be_visible()

    @abstractmethod
    def url(self, installation: Installation, path: str) -> str:
        """Return the URL of a page of this UI."""

    @abstractmethod
    def entry(self, title: str) -> Locator:
        """Return the part of the form that belongs to the parameter."""

    @abstractmethod
    def name(self, name: str) -> None:
        """Type the run's name."""

    @abstractmethod
    def open_list(self, title: str) -> None:
        """Open the list of a parameter."""

    @abstractmethod
    def option(self, text: str) -> Locator:
        """Return an entry of the open list."""

    def choose(self, title: str, text: str) -> None:
        self.open_list(title)
        self.option(text).click()

    def fill(self, title: str, text: str) -> None:
        self.entry(title).locator("textarea, input").first.fill(text)

    def switch(self, title: str) -> None:
        self.entry(title).get_by_role("switch").click()

    def submit(self) -> bool:
        """Submit the form, again if the server's SQLite is locked: then the form stays.

        Return False if it sends nothing, as when an input is missing.
        """
        urls: list[str] = []

        def note(request: Request) -> None:
            urls.append(request.url)

        self.page.on("request", note)
        submit = self.page.get_by_role("button", name="Submit")
        try:
            click_until_answered(submit, "POST", "/create_flow_run$")
        except TooSlow:
            assert not any(url.endswith("/create_flow_run") for url in urls), "no answer"
            return False
        self.page.wait_for_url("**tab=Runs")
        return True

    def expect_inputs(self) -> None:
        """Check that every parameter has an input; an editor for JSON takes a while to load."""
        for title in self.titles:
            expect(self.entry(title).locator(self.inputs)).not_to_have_count(0)


def labelled(title: str) -> re.Pattern[str]:
    return re.compile(rf"^\s*{re.escape(title)}( \(Optional\))?\s*$")


class FirstForm(RunForm):
    version = "V1"
    inputs = ".schema-form-property__fields :is(input, textarea, button, [role=switch], .cm-editor)"

    def url(self, installation: Installation, path: str) -> str:
        return f"{installation.stack.ui_url}/{path}"

    def entry(self, title: str) -> Locator:
        label = self.page.locator(".schema-form-property__label", has_text=labelled(title))
        return self.page.locator(".schema-form-property").filter(has=label)

    def name(self, name: str) -> None:
        self.page.locator(".flow-run-name-input input").fill(name)

    def open_list(self, title: str) -> None:
        self.entry(title).locator(".p-select-button__control").press("ArrowDown")

    def option(self, text: str) -> Locator:
        return self.page.locator(".p-select-option", has_text=text)


class SecondForm(RunForm):
    version = "V2"
    inputs = "input, textarea, [role=switch], .cm-editor, button:not([aria-haspopup=menu])"

    def url(self, installation: Installation, path: str) -> str:
        return f"{installation.stack.ui_url}/v2/{path}"

    def entry(self, title: str) -> Locator:
        label = self.page.locator("label", has_text=labelled(title))
        return self.page.locator("div.group").filter(has=label)

    def name(self, name: str) -> None:
        self.page.get_by_label("Run Name").fill(name)

    def open_list(self, title: str) -> None:
        self.entry(title).get_by_role("button", name="Select").click()

    def option(self, text: str) -> Locator:
        return self.page.get_by_role("option", name=text)


@pytest.fixture(scope="module")
def window() -> Iterator[BrowserContext]:
    """One window for all forms."""
    with browser_window(1280, 1000) as window:
        yield window


@pytest.fixture(scope="module")
def sources(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A source for each form that asks for one, and finished tasks in the source pipeline."""
    workspace, folder = installation.workspace, tmp_path_factory.mktemp("forms")
    rows = folder / "form.jsonl"
    rows.write_text('{"review_id": "d1", "body": "one", "stars": 4}\n', encoding="utf-8")
    import_dataset(workspace, ImportRequest(organization="acme", name=DATASET, source=str(rows)))
    make_tasks(workspace, folder, 1, "finished.csv")
    finish(workspace.store)
    csv = folder / "form.csv"
    csv.write_text("review_id,body,stars\nf1,one,5\n", encoding="utf-8")
    photos = {"tower.png": png("tower")}
    archive = write_zip(folder / "form.zip", "photo,place\ntower.png,Turin\n", photos)
    wait_until(lambda: offers_names(installation))
    return {"csv": str(csv), "zip": archive, "rows": str(rows), "lake": str(folder / "lake")}


def offers_names(installation: Installation) -> bool:
    """Refresh the names in the forms, and return True if all are there: the server may be busy."""
    with temporary_settings({PREFECT_API_URL: installation.stack.api_url}):
        refresh_choices(installation.workspace.store)
    wanted = list_choices(installation.workspace.store)
    return all(
        add_choices(schema, wanted) == schema
        for model in installation.client.read_deployments()
        if TAG in model.tags and (schema := model.parameter_openapi_schema)
    )


_PATIENCE_SECONDS = 300
"""The runs that the other tests of this module have submitted share the machine."""

Fill = Callable[[RunForm, dict[str, str]], None]


def fill_csv(form: RunForm, sources: dict[str, str]) -> None:
    form.open_list("Pipeline")
    expect(form.option(PATH)).to_be_visible()
    picture(form.page, f"run-form-list-{form.version.lower()}")
    form.option(PATH).click()
    form.fill("CSV file", sources["csv"])
    form.switch("Allow duplicates")


def fill_zip(form: RunForm, sources: dict[str, str]) -> None:
    form.choose("Pipeline", PHOTOS)
    form.fill("ZIP file", sources["zip"])


def fill_dataset(form: RunForm, _: dict[str, str]) -> None:
    form.choose("Pipeline", PATH)
    form.choose("Dataset", DATASET)
    form.fill("Save the mapping as", f"as in {form.version}")


def fill_pipeline(form: RunForm, _: dict[str, str]) -> None:
    form.choose("Pipeline", QA)
    form.choose("Source pipeline", PATH)


def fill_import(form: RunForm, sources: dict[str, str]) -> None:
    form.choose("Organization", "acme")
    form.choose("Dataset", DATASET)
    form.fill("File", sources["rows"])
    form.switch("Replace")


def fill_export(form: RunForm, sources: dict[str, str]) -> None:
    form.choose("Pipeline", PATH)
    form.fill("Destination", sources["lake"])
    form.switch("A folder for each day")


def fill_bulk(form: RunForm, _: dict[str, str]) -> None:
    form.choose("Pipeline", IDEAS)
    form.fill("Number of tasks", "2")


FORMS: dict[str, Fill] = {
    "seed-from-csv": fill_csv,
    "seed-from-zip": fill_zip,
    "seed-from-dataset": fill_dataset,
    "seed-from-pipeline": fill_pipeline,
    "import-dataset": fill_import,
    "bulk-create": fill_bulk,
    "export-results": fill_export,
    "infinite-seeding": lambda form, _: form.switch("Once"),
    "seed-chain": lambda form, _: expect(form.entry("Chain")).to_be_visible(),
    "reconcile": lambda form, _: form.switch("Clean up"),
}


def run_named(installation: Installation, name: str) -> FlowRun:
    named = FlowRunFilter(name=FlowRunFilterName(any_=[name]))
    (run,) = installation.client.read_flow_runs(flow_run_filter=named)
    return run


def submit_form(form: RunForm, deployment: str, sources: dict[str, str]) -> str:
    """Fill in the form and submit it; return the name that was typed for the run.

    On a busy machine, a form of Prefect may lose what was typed while it loaded. Then it stays, and
    is filled in again.
    """
    name = f"{deployment} as typed in {form.version}"
    for _ in range(3):
        form.expect_inputs()
        form.name(name)
        FORMS[deployment](form, sources)
        picture(form.page, f"run-form-{deployment}-{form.version.lower()}")
        if form.submit():
            return name
        form.page.reload()
    pytest.fail(f"the form of {deployment} was not sent")


class Submitted(NamedTuple):
    """A run that a person has started, and the address of its page."""

    run: FlowRun
    page: str


@pytest.fixture(scope="module")
def submitted(
    window: BrowserContext, installation: Installation, sources: dict[str, str]
) -> dict[str, list[Submitted]]:
    """The runs of each deployment from its form in both UIs; all of them run side by side."""

    def submit(kind: type[RunForm], deployment: str) -> Submitted:
        form = kind(window, installation, deployment)
        run = run_named(installation, submit_form(form, deployment, sources))
        form.page.close()
        return Submitted(run, form.url(installation, f"runs/flow-run/{run.id}"))

    return {
        deployment: [submit(kind, deployment) for kind in (FirstForm, SecondForm)]
        for deployment in FORMS
    }


@pytest.mark.parametrize("deployment", FORMS)
def test_a_person_runs_a_deployment_from_its_form_in_both_uis(
    window: BrowserContext,
    installation: Installation,
    submitted: dict[str, list[Submitted]],
    deployment: str,
) -> None:
    model = installation.client.read_deployment_by_name(f"{deployment}/{deployment}")
    for run, address in submitted[deployment]:
        assert run.deployment_id == model.id
        wait_until(partial(installation.has_ended, run.id), seconds=_PATIENCE_SECONDS)
        page = window.new_page()
        page.goto(address)
        expect(page.get_by_text(run.name).first).to_be_visible()
        expect(page.get_by_text("Completed").first).to_be_visible()
        page.close()
