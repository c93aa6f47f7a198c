"""Consoles, signals and exit statuses for the commands of this package."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import httpx
from rich.console import Console
from rich.text import Text

from tasks_lib.errors import PrefectUnavailableError, SeedingError

out: Final = Console(highlight=False, soft_wrap=True)
err: Final = Console(highlight=False, soft_wrap=True, stderr=True)


def exit_status(act: Callable[[], None], *, interrupted: int) -> int:
    """Run ``act`` and return the exit status: 0, an error's own, or ``interrupted``."""
    try:
        with interrupting_signals():
            act()
    except KeyboardInterrupt:
        return interrupted
    except SeedingError as error:
        _print_error(error)
        return error.exit_status
    except httpx.HTTPError as error:
        _print_error(f"the Prefect server does not respond: {error}")
        return PrefectUnavailableError.exit_status
    return 0


@contextmanager
def interrupting_signals() -> Iterator[None]:
    """Raise KeyboardInterrupt on SIGINT, SIGTERM and SIGHUP, so that cleanup code runs.

    Shells start background commands with SIGINT ignored. Child processes inherit that, and a
    Prefect worker then never stops; they do not inherit this handler.
    """
    signals = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup ignores it on purpose
        signals.append(signal.SIGHUP)
    before = {number: signal.signal(number, signal.default_int_handler) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _print_error(error: object) -> None:
    err.print(Text.assemble(("error: ", "bold red"), str(error)))
