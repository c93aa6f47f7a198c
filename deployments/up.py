"""``make up``: Prefect, the deployments, a worker and the External API, until Ctrl-C."""

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from shlex import quote
from typing import Final

from rich.text import Text

from deployments.entry_point import exit_status, out
from deployments.local_stack import LocalStack, local_stack
from deployments.manifest import ROOT
from tasks_lib.errors import CatalogueRejectedError
from tasks_lib.operations.apply_catalogue import apply_catalogue
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.settings import Settings, read_settings

CATALOGUE: Final = Path("examples/catalogue.yaml")
_CHECK_SECONDS: Final = 0.5


def main() -> int:
    """Run the stack until a signal; return 0 then, or 3 if a part of it has ended by itself."""
    return exit_status(lambda: up(os.environ), interrupted=0)


def up(environment: Mapping[str, str]) -> None:
    """Start the stack in the seeding home and stay; raise PrefectUnavailableError if it breaks."""
    settings = read_settings()
    apply_example(settings)
    home = {"SEEDING_HOME": str(settings.home)}
    with local_stack(settings.home, {**environment, **home}, tell=_starting) as stack:
        _print_addresses(stack, settings)
        try:
            while True:
                stack.check()
                time.sleep(_CHECK_SECONDS)
        finally:
            out.print("\nStopping.")


def apply_example(settings: Settings) -> None:
    """Apply the example catalogue; where it would break what somebody made of it, leave that."""
    with open_workspace(settings) as workspace:
        try:
            applied = apply_catalogue(workspace.store, ROOT / CATALOGUE)
        except CatalogueRejectedError as error:
            out.print(Text(f"The example is left as it is: {error}"))
            return
    for pipeline in applied:
        out.print(Text(f"{CATALOGUE}: {pipeline.outcome} {pipeline.path}"))


def _starting(what: str) -> None:
    out.print(Text(f"Starting {what}"))


def _print_addresses(stack: LocalStack, settings: Settings) -> None:
    lines = [
        "",
        f"Ready. Prefect's UI: {stack.ui_url}",
        f"The External API: {stack.external_api_url}",
        f"Data and logs: {settings.home}",
        "",
        "In another terminal:",
        f"  export PREFECT_API_URL={stack.api_url}",
        f"  export SEEDING_HOME={quote(str(settings.home))}",
        "  .venv/bin/seeding seed csv acme/reviews/label-reviews examples/reviews.csv --deployed",
        "  .venv/bin/seeding key create acme",
        "",
        "Ctrl-C stops everything.",
    ]
    out.print(Text("\n".join(lines)))


if __name__ == "__main__":
    sys.exit(main())
