"""How steps and flows end: with a result, or with one sentence instead of a traceback.

A step retries an error only if the same call can succeed later. Any other error of ours costs one
attempt: the step that raised it ends as Failed, and so does the flow run, with the same sentence.
"""

import logging
from collections.abc import Callable
from functools import partial, wraps
from typing import Any, Final, Generic, ParamSpec, TypeVar

import httpx
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.exceptions import MissingContextError
from prefect.logging import get_run_logger
from prefect.states import Cancelled, Completed, Failed

from tasks_lib.errors import ReviewTimedOutError, SeedingError
from tasks_lib.steps.runs.heartbeat import beating

RETRY_DELAYS_SECONDS: Final[list[float]] = [1, 5, 20]
"""All steps share this list, so that tests can shorten the pauses."""

_SERVER_ERROR: Final = 500
_UNREACHABLE: Final = (ConnectionError, TimeoutError, httpx.TransportError)
_FLOW_LOGGERS: Final = ("prefect.flow_runs", "prefect.engine")
_STEP_LOGGER: Final = "prefect.task_runs"
P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


def step(run_name: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a function a step of a flow: a Prefect task that is shown as ``run_name``.

    The function must be idempotent, since it is retried as ``is_transient`` says.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @task(
            name=function.__name__,
            description=function.__doc__,
            task_run_name=run_name,
            retries=len(RETRY_DELAYS_SECONDS),
            retry_delay_seconds=RETRY_DELAYS_SECONDS,
            retry_condition_fn=_should_retry,
            cache_policy=NO_CACHE,
            persist_result=False,
        )
        def attempt(call: _Opaque[Callable[[], R]]) -> Any:
            logging.getLogger(_STEP_LOGGER).addFilter(_strip_traceback)
            try:
                return _Opaque(call.value())
            except SeedingError as error:
                return Failed(message=str(error), data=error)

        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            call = partial(function, *args, **kwargs)
            result: _Opaque[R] = attempt(_Opaque(call), return_state=True).result()
            return result.value

        return run

    return decorate


def is_transient(error: object) -> bool:
    """Tell whether the same call can succeed later although nobody changes anything.

    This is so where the store, a storage or Prefect does not answer. A rejected input is rejected
    again, and a defect stays a defect.
    """
    if isinstance(error, SeedingError):
        return error.is_transient
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code >= _SERVER_ERROR
    return isinstance(error, _UNREACHABLE)


def end_in_a_sentence(function: Callable[P, State[Any]]) -> Callable[P, State[Any]]:
    """Make a flow that meets one of our own errors end as Failed with the error's sentence.

    The sentence is also logged as an error, with the error's notes. The error is the state's data,
    so that a caller in Python gets it raised; the engine in a worker's process would log that with
    a traceback, which is kept out of the logs.
    """

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> State[Any]:
        for name in _FLOW_LOGGERS:
            logging.getLogger(name).addFilter(_is_news)
        try:
            with beating():
                return function(*args, **kwargs)
        except ReviewTimedOutError as error:
            run_logger().warning("%s", error)
            return Cancelled(message=str(error), data=error)
        except SeedingError as error:
            run_logger().error("%s", " ".join((str(error), *getattr(error, "__notes__", ()))))
            return _failed_state(error)

    return run


def _failed_state(error: SeedingError) -> State[Any]:
    """Return a failed state that says whether the same run can succeed later.

    A program that reads the state from the server does not see the error.
    """
    state: State[Any] = Failed(message=str(error), data=error)
    state.state_details.retriable = error.is_transient
    return state


def completed_state(sentence: str, data: dict[str, Any]) -> State[Any]:
    """Return the state in which a flow run that did its work ends."""
    return Completed(message=sentence, data=data)


def run_logger() -> logging.Logger | logging.LoggerAdapter[Any]:
    """Return the logger whose records are shown on the run's page; this module's outside a run."""
    try:
        return get_run_logger()
    except MissingContextError:
        return logging.getLogger(__name__)


class _Opaque(Generic[T]):
    """A value that Prefect passes on as it is: it would walk through all parts of a collection."""

    def __init__(self, value: T) -> None:
        self.value = value


def _should_retry(_task: object, _run: object, state: State[Any]) -> bool:
    return is_transient(state.data)


def _is_news(record: logging.LogRecord) -> bool:
    """Tell whether a log record is more than our own sentence again, with a traceback."""
    return record.exc_info is None or not isinstance(record.exc_info[1], SeedingError)


def _strip_traceback(record: logging.LogRecord) -> bool:
    """Take the empty traceback from Prefect's record of a step whose retries are exhausted."""
    if record.exc_info is not None and record.exc_info[1] is None:
        record.exc_info = None
    return True
