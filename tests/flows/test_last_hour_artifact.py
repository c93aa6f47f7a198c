"""The artifact on a sensor's page: one, updated in place every half minute if there is news."""

from typing import Any

import httpx
import pytest
from prefect import flow

from flow_runs import artifacts_of, run_of
from tasks_lib.operations.infinite.sensor import LastHour
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.settings import read_settings
from tasks_lib.steps.infinite import LastHourArtifact, markdown

HOURS = [LastHour(claims=claims, made=claims, enabled=1, at_target=0) for claims in range(4)]


@pytest.mark.usefixtures("flow_workspace")
@pytest.mark.parametrize(
    ("looks", "shown"),
    [([(0, 0), (29, 1)], 0), ([(0, 0), (29, 1), (30, 2), (59, 3)], 2), ([(0, 0), (31, 3)], 3)],
)
def test_a_sensor_keeps_one_artifact_of_the_last_hour_up_to_date(
    prefect: httpx.Client, looks: list[tuple[float, int]], shown: int
) -> None:
    now = 0.0

    @flow
    def watch() -> None:
        nonlocal now
        with open_workspace(read_settings()) as workspace:
            show = LastHourArtifact(workspace.store, clock=lambda: now)
            for at, claims in looks:
                now = at
                show(HOURS[claims])

    state: Any = watch(return_state=True)
    assert artifacts_of(prefect, run_of(prefect, state)) == [("markdown", markdown(HOURS[shown]))]
