"""``make up``: run Prefect, the deployments, a worker and the HTTP API until Ctrl-C."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from prefect.settings import PREFECT_API_URL, temporary_settings
from rich.text import Text

from deployments.entry_point import exit_status, out
from deployments.foreground import print_addresses, stay
from deployments.local_stack import local_stack
from deployments.repository import ROOT
from tasks_lib.errors import CatalogueRejectedError
from tasks_lib.operations.catalogue.apply import apply_catalogue
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.settings import Settings, read_settings
from tasks_lib.steps.forms.choices import refresh_choices

CATALOGUE: Final = Path("examples/catalogue.yaml")


def main() -> int:
    """Run the stack; return 0 after a signal, or 3 if one of its processes ends by itself."""
    return exit_status(lambda: up(os.environ), interrupted=0)


def up(environment: Mapping[str, str]) -> None:
    """Run the stack in the seeding home; raise PrefectUnavailableError if a process ends."""
    settings = read_settings()
    apply_example(settings)
    home = {"SEEDING_HOME": str(settings.home)}
    with local_stack(settings.home, {**environment, **home}, on_step=_print_step) as stack:
        with (
            temporary_settings({PREFECT_API_URL: stack.api_url}),
            open_workspace(settings) as workspace,
        ):
            refresh_choices(workspace.store)
        out.print()
        print_addresses(stack, settings.home)
        try:
            stay(stack)
        finally:
            out.print("\nStopping.")


def apply_example(settings: Settings) -> None:
    """Apply the example catalogue, unless the changed pipelines in the store conflict with it."""
    with open_workspace(settings) as workspace:
        try:
            applied = apply_catalogue(workspace.store, ROOT / CATALOGUE)
        except CatalogueRejectedError as error:
            out.print(Text(f"The example catalogue is not applied: {error}"))
            return
    for pipeline in applied:
        out.print(Text(f"{CATALOGUE}: {pipeline.outcome} {pipeline.path}"))


def _print_step(step: str) -> None:
    out.print(Text(f"Starting {step}"))


if __name__ == "__main__":
    sys.exit(main())
