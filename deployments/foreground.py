"""Print the addresses of a stack, and keep it in the foreground until a signal."""

import time
from pathlib import Path
from shlex import quote
from typing import Final, NoReturn

from rich.text import Text

from deployments.entry_point import out
from deployments.local_stack import LocalStack

_CHECK_SECONDS: Final = 0.5


def print_addresses(stack: LocalStack, home: Path) -> None:
    """Print the URLs of a stack, and the commands to run in another terminal."""
    lines = [
        f"Ready. Prefect UI: {stack.ui_url}",
        f"HTTP API: {stack.http_api_url}",
        f"Data and logs: {home}",
        "",
        "Run these two commands in another terminal:",
        f"  export PREFECT_API_URL={stack.api_url}",
        f"  export SEEDING_HOME={quote(str(home))}",
        "",
        "Ctrl-C stops everything.",
    ]
    out.print(Text("\n".join(lines)))


def stay(stack: LocalStack) -> NoReturn:
    """Wait for a signal; raise PrefectUnavailableError if a process of the stack ends."""
    while True:
        stack.check()
        stack.rotate_logs()
        time.sleep(_CHECK_SECONDS)
