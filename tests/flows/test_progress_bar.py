"""The progress of a load is one bar on the page of its flow run."""

import httpx
from prefect import flow

from flow_runs import run_of
from tasks_lib.domain.progress import Progress
from tasks_lib.steps.artifacts import ProgressArtifact


def draw_progress(
    prefect: httpx.Client, at: list[float], *percentages: int
) -> list[tuple[str, float]]:
    """Report progress in a flow run, by a clock that shows ``at``; return the bars of the run."""
    clock = iter(at)

    @flow
    def load() -> None:
        artifact = ProgressArtifact("s3://inbox/large.csv", clock=lambda: next(clock))
        for percent in percentages:
            artifact(Progress(done=percent, total=100, items=1_000 * percent))
        artifact.finish(is_complete=percentages[-1] == 100)

    run = run_of(prefect, load(return_state=True))
    chosen = {"artifacts": {"flow_run_id": {"any_": [run["id"]]}}}
    artifacts = prefect.post("/artifacts/filter", json=chosen).json()
    return [(artifact["description"], artifact["data"]) for artifact in artifacts]


def test_a_long_load_shows_one_progress_bar_that_is_updated_and_filled(
    prefect: httpx.Client,
) -> None:
    assert draw_progress(prefect, [0, 2.1, 2.1, 4.2, 4.2, 4.3, 4.3], 25, 75, 100) == [
        ("large.csv: 100,000 rows", 100)
    ]


def test_the_bar_of_a_load_that_fails_stays_where_it_was(prefect: httpx.Client) -> None:
    assert draw_progress(prefect, [0, 1.9, 2.1, 2.1, 3.0, 3.0], 10, 25, 30) == [
        ("large.csv: 30,000 rows", 30)
    ]


def test_a_short_load_shows_no_progress_bar(prefect: httpx.Client) -> None:
    assert draw_progress(prefect, [0, 0.5, 1.0], 50, 100) == []
