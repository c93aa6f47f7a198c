"""How steps and flows end: with their result, or with one sentence instead of a traceback."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Failed

from tasks_lib.domain.report import Report, SourceRejectedError
from tasks_lib.errors import ReviewTimedOutError, SeedingError

TRIED_AGAIN: Final[dict[str, Any]] = {
    "retries": 3,
    "retry_delay_seconds": [1, 5, 20],
    "cache_policy": NO_CACHE,
    "persist_result": False,
}
"""Options of a step that is worth trying again, and makes what it makes once."""

_ENGINE_LOGGERS: Final = ("prefect.flow_runs", "prefect.engine")
P = ParamSpec("P")
R = TypeVar("R")


def ends_in_a_sentence(function: Callable[P, R]) -> Callable[P, R]:
    """Make a flow that meets one of our own errors end as Failed with the error's sentence.

    The error itself is the state's data, so that a caller in Python gets it raised. So does the
    engine in a worker's process, which would log it with a traceback; that is kept out of the logs.
    """

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> Any:
        for name in _ENGINE_LOGGERS:
            logging.getLogger(name).addFilter(_is_news)
        try:
            return function(*args, **kwargs)
        except ReviewTimedOutError as error:
            return Cancelled(message=str(error), data=error)
        except SeedingError as error:
            return Failed(message=str(error), data=error)

    return run


def _is_news(record: logging.LogRecord) -> bool:
    """Tell whether a log record is more than our own sentence again, with a traceback."""
    return record.exc_info is None or not isinstance(record.exc_info[1], SeedingError)


def state_of(report: Report) -> State[Any]:
    """Return the state in which a seeding's flow run ends: its message is the report's sentence."""
    if report.is_rejection:
        return Failed(message=report.sentence, data=SourceRejectedError(report))
    return Completed(message=report.sentence, data=report.model_dump(mode="json"))
