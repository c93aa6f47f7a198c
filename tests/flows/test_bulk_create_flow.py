"""The flow: what its run is called, how it ends, and that a key counts for all runs."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from flow_runs import events_of, run_of
from flows.bulk_create import bulk_create
from tasks_lib.domain.report import SourceRejectedError
from tasks_lib.errors import UsageError
from tasks_lib.operations.apply_catalogue import apply_catalogue
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.settings import read_settings

PATH = "acme/ideas/collect-ideas"
EXAMPLE = Path(__file__).parents[2] / "examples" / "catalogue.yaml"


@pytest.fixture(autouse=True)
def _ideas(flow_workspace: None) -> None:
    """The example's catalogue, which has a pipeline without dataset fields."""
    with open_workspace(read_settings()) as workspace:
        apply_catalogue(workspace.store, EXAMPLE)


def run_flow(*arguments: Any, **options: Any) -> Any:
    """Run the flow and return its end state."""
    return bulk_create(*arguments, **options, return_state=True)


def test_a_run_tells_in_its_name_state_and_event_what_it_made(prefect: httpx.Client) -> None:
    state = run_flow(PATH, 3)
    assert (state.name, state.message) == ("Completed", "'bulk' created 3 tasks in group 1.")
    run = run_of(prefect, state)
    assert run["name"] == f"bulk 3 -> {PATH}"
    (event,) = events_of(prefect, "seeding.group.created", run)
    assert event["payload"]["created"] == 3


def test_a_key_counts_for_all_runs(prefect: httpx.Client) -> None:
    states = [run_flow(PATH, 3, key="december") for _ in range(2)]
    assert [state.message for state in states] == [
        "'bulk december' created 3 tasks in group 1.",
        "'bulk december' was seeded before: group 1 holds its 3 tasks, so nothing was created.",
    ]


def test_a_pipeline_with_dataset_fields_fails_in_one_sentence(prefect: httpx.Client) -> None:
    state = run_flow("acme/reviews/label-reviews", 3)
    assert state.name == "Failed"
    assert "has dataset fields (review_id, body, stars)" in state.message
    with pytest.raises(SourceRejectedError):
        state.result()


def test_a_count_beyond_the_bounds_fails_in_one_sentence(prefect: httpx.Client) -> None:
    state = run_flow(PATH, 0)
    assert (
        state.message == "the count is 0; it must be from 1 to 1,000,000 (SEEDING_MAX_BULK_COUNT)"
    )
    with pytest.raises(UsageError):
        state.result()
