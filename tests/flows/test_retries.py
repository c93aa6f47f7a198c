"""Steps retry only errors that can succeed later; a permanent error costs one attempt."""

import logging
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect import flow
from prefect.client.schemas.objects import State
from prefect.exceptions import PrefectHTTPStatusError

from flow_runs import attempts_of, logs_of, run_of, steps_of
from flows.bulk_create import bulk_create
from flows.seed_from_csv import seed_from_csv
from tasks_lib.errors import (
    ConflictError,
    PrefectUnavailableError,
    Problem,
    SeedingError,
    SourceProblemError,
    StorageRefusedError,
    StorageUnavailableError,
    StoreOutdatedError,
    StoreUnavailableError,
    UsageError,
)
from tasks_lib.operations.catalogue.apply import apply_catalogue
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.settings import read_settings
from tasks_lib.steps.runs.outcomes import completed_state, end_in_a_sentence, is_transient, step

LABEL = "acme/reviews/label-reviews"
IDEAS = "acme/ideas/collect-ideas"
EXAMPLE = Path(__file__).parents[2] / "examples" / "catalogue.yaml"

pytestmark = pytest.mark.usefixtures("flow_workspace")


def http_error(status: int) -> httpx.HTTPStatusError:
    request = httpx.Request("POST", "http://127.0.0.1/api/artifacts")
    return PrefectHTTPStatusError("no", request=request, response=httpx.Response(status))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (StoreUnavailableError("no"), True),
        (StorageUnavailableError("no"), True),
        (PrefectUnavailableError("no"), True),
        (StoreOutdatedError("no"), False),
        (StorageRefusedError("no"), False),
        (UsageError("no"), False),
        (ConflictError("no"), False),
        (SourceProblemError(Problem("no_rows", "no")), False),
        (ConnectionResetError(), True),
        (TimeoutError(), True),
        (httpx.ConnectError("no"), True),
        (http_error(503), True),
        (http_error(422), False),
        (FileNotFoundError(), False),
        (ZeroDivisionError(), False),
        (None, False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_only_an_error_that_can_succeed_later_is_transient(error: object, expected: bool) -> None:
    assert is_transient(error) is expected


def run_failing(*errors: Exception) -> State[Any]:
    """Run a flow of one step, which raises these errors one after the other and then returns."""
    raised = iter(errors)

    @step("try")
    def attempt() -> str:
        for error in raised:
            raise error
        return "done"

    @flow
    @end_in_a_sentence
    def trying() -> State[Any]:
        return completed_state(attempt(), {})

    return trying(return_state=True)


@pytest.mark.usefixtures("without_pauses")
def test_a_step_that_succeeds_at_the_third_attempt_completes(prefect: httpx.Client) -> None:
    away = StoreUnavailableError("the store does not answer")
    state = run_failing(away, ConnectionResetError())
    run = run_of(prefect, state)
    assert (state.name, state.message) == ("Completed", "done")
    assert attempts_of(prefect, run) == {"try": 3}


@pytest.mark.usefixtures("without_pauses")
def test_a_step_whose_retries_are_exhausted_fails_without_a_traceback(
    prefect: httpx.Client,
) -> None:
    sentence = "the store does not answer"
    state = run_failing(*[StoreUnavailableError(sentence)] * 5)
    run = run_of(prefect, state)
    assert (state.name, state.message) == ("Failed", sentence)
    assert (attempts_of(prefect, run), steps_of(prefect, run)) == ({"try": 4}, [("try", "Failed")])
    messages = "\n".join(message for _, message in logs_of(prefect, run))
    assert ("Traceback" in messages, "NoneType" in messages) == (False, False)


@pytest.mark.usefixtures("without_pauses")
def test_a_permanent_error_costs_one_attempt_and_one_sentence(prefect: httpx.Client) -> None:
    state = run_failing(ConflictError("it is taken"))
    run = run_of(prefect, state)
    assert (state.name, state.message) == ("Failed", "it is taken")
    assert (attempts_of(prefect, run), steps_of(prefect, run)) == ({"try": 1}, [("try", "Failed")])
    assert [message for level, message in logs_of(prefect, run) if level == logging.ERROR] == [
        "Finished in state Failed('it is taken')",  # the step's
        "it is taken",
    ]
    with pytest.raises(ConflictError, match="it is taken"):
        state.result()


@pytest.mark.usefixtures("without_pauses")
def test_a_defect_costs_one_attempt_and_is_raised_unchanged(prefect: httpx.Client) -> None:
    state = run_failing(ZeroDivisionError("oops"))
    run = run_of(prefect, state)
    assert (attempts_of(prefect, run), steps_of(prefect, run)) == ({"try": 1}, [("try", "Failed")])
    assert "Traceback" in "\n".join(message for _, message in logs_of(prefect, run))
    with pytest.raises(ZeroDivisionError):
        state.result()


@pytest.mark.parametrize(
    ("count", "key", "error"),
    [(0, "", UsageError), (2, "reused", ConflictError)],
    ids=["a count of 0", "a key that was used with another count"],
)
def test_blank_tasks_that_can_never_be_created_take_one_attempt(
    prefect: httpx.Client, count: int, key: str, error: type[SeedingError]
) -> None:
    with open_workspace(read_settings()) as workspace:
        apply_catalogue(workspace.store, EXAMPLE)
    bulk_create(IDEAS, 3, key="reused")
    state: Any = bulk_create(IDEAS, count, key=key, return_state=True)
    run = run_of(prefect, state)
    assert attempts_of(prefect, run) == {"create blank tasks": 1}
    assert steps_of(prefect, run) == [("create blank tasks", "Failed")]
    with pytest.raises(error):
        state.result()


def test_missing_credentials_take_one_attempt(
    prefect: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    state = seed_from_csv(LABEL, "s3://inbox/reviews.csv", return_state=True)
    run = run_of(prefect, state)
    assert (state.name, state.message) == (
        "Failed", "s3://inbox/reviews.csv cannot be reached: Unable to locate credentials",
    )  # fmt: skip
    assert attempts_of(prefect, run) == {"fetch source": 1}
    assert steps_of(prefect, run) == [("fetch source", "Failed")]
