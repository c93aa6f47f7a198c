"""The heartbeat of a flow run, which tells ``dead_runs`` that its process is alive.

Prefect's own thread sends the same event, but each run then waits for it up to a second at its end:
``silence_engine`` switches it off for the run that is about to start, and ``beating`` replaces it.
"""

import contextvars
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Final

from prefect import runtime
from prefect.context import SettingsContext, get_settings_context
from prefect.events import emit_event

HEARTBEAT: Final = "prefect.flow-run.heartbeat"
OURS: Final = "seeding.heartbeat"
"""The label that tells our heartbeats from those of Prefect's engine."""

EVERY: Final = timedelta(minutes=1)
"""The interval of our heartbeats."""

ENGINE_INTERVAL: Final = "seeding.heartbeat-seconds"
"""The label of a run with the interval of its engine's heartbeats; without it, there are none."""

_silenced: contextvars.ContextVar[ExitStack | None] = contextvars.ContextVar(
    "silenced", default=None
)


def silence_engine() -> None:
    """Switch the engine's heartbeat off, until ``beating`` begins in the same context.

    The engine reads the setting between the name of the run, which a function of ours returns, and
    the flow's body. No environment variable can switch it off, and ``temporary_settings`` validates
    all settings again, which takes a tenth of a second.
    """
    context = get_settings_context()
    flows = context.settings.flows.model_copy(update={"heartbeat_frequency": None})
    settings = context.settings.model_copy(update={"flows": flows})
    stack = ExitStack()
    stack.enter_context(SettingsContext(profile=context.profile, settings=settings))
    _silenced.set(stack)


def engine_interval() -> int | None:
    """Return the seconds between the heartbeats of Prefect's engine in this run, if it sends any.

    The engine reads the setting when the body begins, and sends at most two a minute.
    """
    seconds = get_settings_context().settings.flows.heartbeat_frequency
    return max(seconds, 30) if seconds is not None else None


@contextmanager
def beating() -> Iterator[None]:
    """Send a heartbeat at once and every minute while the block runs, if it is in a flow run."""
    silenced = _silenced.get()
    if silenced is not None:
        _silenced.set(None)
        silenced.close()
    run_id, name = runtime.flow_run.id, runtime.flow_run.name
    if run_id is None:
        yield
        return
    ended = threading.Event()
    resource = {
        "prefect.resource.id": f"prefect.flow-run.{run_id}",
        "prefect.resource.name": name or "",
        OURS: "yes",
    }

    def beat() -> None:
        while True:
            emit_event(HEARTBEAT, resource)
            if ended.wait(EVERY.total_seconds()):
                return

    context = contextvars.copy_context()  # with the settings that name the server
    thread = threading.Thread(target=context.run, args=(beat,), name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
