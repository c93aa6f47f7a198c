"""The error of a deployed run without a report: exit status 3 only for the environment."""

from typing import Any
from uuid import UUID

import pytest
from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Crashed, Failed, to_state_create

from tasks_lib.errors import (
    PrefectNotReadyError,
    PrefectUnavailableError,
    ReviewTimedOutError,
    SeedingError,
    StorageRefusedError,
    StoreUnavailableError,
    UsageError,
)
from tasks_lib.steps.prefect_api import RunFailedError, error_of
from tasks_lib.steps.runs.outcomes import completed_state, end_in_a_sentence

RUN = UUID(int=7)


def end_with(error: SeedingError) -> State[Any]:
    """Return the state of a flow that met this error, as it is read from the server."""

    @end_in_a_sentence
    def run() -> State[Any]:
        raise error

    sent = to_state_create(run())
    return State(
        type=sent.type, name=sent.name, message=sent.message, state_details=sent.state_details
    )


@pytest.mark.parametrize(
    ("state", "kind", "exit_status"),
    [
        (end_with(UsageError("no")), RunFailedError, 1),
        (end_with(StorageRefusedError("no")), RunFailedError, 1),
        (end_with(StoreUnavailableError("no")), PrefectUnavailableError, 3),
        (end_with(ReviewTimedOutError("no")), RunFailedError, 1),
        (Failed(message="no"), RunFailedError, 1),
        (Cancelled(message="no"), RunFailedError, 1),
        (Crashed(message="no"), PrefectUnavailableError, 3),
        (completed_state("no", {}), PrefectNotReadyError, 3),
        (Completed(message="no"), PrefectNotReadyError, 3),
    ],
)
def test_a_run_without_a_report_is_the_environment_s_fault_only_if_it_says_so(
    state: State[Any], kind: type[SeedingError], exit_status: int
) -> None:
    error = error_of(RUN, state)
    assert (type(error), error.exit_status, str(error)) == (
        kind,
        exit_status,
        f"the flow run {RUN} ended as {state.name} and left no report in this store: no",
    )
