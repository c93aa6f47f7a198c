"""A flow run is named after its work, unless a person has named it."""

from pathlib import Path

import httpx
import pytest
from prefect.client.orchestration import get_client
from prefect.flow_engine import run_flow
from prefect.utilities.names import generate_slug

from flows.seed_from_csv import seed_from_csv
from tasks_lib.steps.runs.run_names import is_made_up

PATH = "acme/reviews/label-reviews"


@pytest.mark.usefixtures("flow_workspace")
@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("my own nightly name", "my own nightly name"),
        ("nightly-reviews", "nightly-reviews"),
        (None, f"csv reviews.csv -> {PATH}"),
        ("alpha4-canis-majoris-void", f"csv reviews.csv -> {PATH}"),
    ],
    ids=["sentence", "two words", "by the server", "by the form"],
)
def test_a_run_keeps_the_name_that_a_person_has_given(
    prefect: httpx.Client, tmp_path: Path, given: str | None, shown: str
) -> None:
    source = tmp_path / "reviews.csv"
    source.write_text("review_id,body,stars\nr1,one,5\n", encoding="utf-8")
    parameters = {"pipeline": PATH, "source": str(source)}
    with get_client(sync_client=True) as client:
        run = client.create_flow_run(seed_from_csv, parameters=parameters, name=given)
    run_flow(seed_from_csv, flow_run=run, parameters=parameters, return_type="state")
    assert prefect.get(f"/flow_runs/{run.id}").json()["name"] == shown


def test_every_name_of_the_server_is_recognized() -> None:
    assert [name for name in (generate_slug(2) for _ in range(2_000)) if not is_made_up(name)] == []


@pytest.mark.parametrize("name", ["delta2-hubble-f", "omega731-leonis-minoris", "Rustic-Deer"])
def test_names_that_the_forms_are_filled_in_with_are_recognized(name: str) -> None:
    assert is_made_up(name)


@pytest.mark.parametrize("name", ["beta-test", "import 2026-11-29", "reviews", "Small-batch", ""])
def test_other_names_are_kept(name: str) -> None:
    assert not is_made_up(name)
