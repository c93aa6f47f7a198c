"""The commands ``api`` and ``key ...``: serve the HTTP API and manage its keys."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from tasks_lib.cli.optional_prefect import (
    automations,
    event_publisher,
    upload_processor,
    waiting_runs,
)
from tasks_lib.cli.options.arguments import API, Json, OrganizationArgument, WholeNumber
from tasks_lib.cli.options.paging import After, Limit, cut_page
from tasks_lib.cli.output import console, documents
from tasks_lib.cli.workspace import configured_workspace
from tasks_lib.errors import UsageError

if TYPE_CHECKING:
    from fastapi import FastAPI

key = App(name="key", help="Manage the keys of the HTTP API.", group=API)


def api(
    *,
    port: WholeNumber = 8000,
    host: str = "127.0.0.1",
    processes: WholeNumber = 1,
    json: Json = False,
) -> None:
    """Serve the HTTP API until Ctrl-C or SIGTERM.

    Parameters
    ----------
    port
        The port to listen on; 0 picks a free one.
    host
        The address to listen on; 0.0.0.0 listens on all addresses of this machine.
    processes
        How many processes serve requests. One that dies is replaced.
    """
    from tasks_lib.api.serving.server import serve

    def on_ready(url: str) -> None:
        if json:
            console.print_json({"url": f"{url}/api/v1", "openapi": f"{url}/api/v1/openapi.json"})
        else:
            console.out.print(f"The HTTP API: {url}/api/v1 (Ctrl-C stops it)", markup=False)

    serve(open_application, host, port, on_ready, processes=processes)


@contextmanager
def open_application() -> "Iterator[FastAPI]":
    """Open the HTTP API with the configured workspace; close it when serving ends."""
    from tasks_lib.api.app import create_app
    from tasks_lib.operations.workspace import open_workspace
    from tasks_lib.settings import read_settings

    settings = read_settings()
    with open_workspace(settings) as workspace:
        yield create_app(
            workspace,
            limits=settings.api_limits,
            publish=event_publisher(),
            runs=waiting_runs(),
            process=upload_processor(settings.api_executor),
            automations=automations(),
        )


@key.command
def create(
    organization: OrganizationArgument,
    /,
    *,
    name: str = "unnamed",
    expires: Annotated[
        str | None, Parameter(help="When the key expires, such as 12h or 90d from now.")
    ] = None,
    json: Json = False,
) -> None:
    """Create an API key for an organization and print it. The key is not shown again.

    Parameters
    ----------
    name
        A name that says what uses the key.
    """
    from tasks_lib.operations import api_keys

    with configured_workspace() as workspace:
        at = workspace.store.now()
        secret, entry = api_keys.create_key(
            workspace.store, organization, name=name, lifetime=_lifetime(expires), at=at
        )
    if json:
        console.print_json({"key": secret} | documents.key_document(entry, at))
    else:
        console.out.print(secret, markup=False)
        console.err.print("Keep it: it is stored as a hash and not shown again.")


@key.command(name="list")
def list_keys(
    organization: OrganizationArgument,
    /,
    *,
    limit: Limit = None,
    after: After = "",
    json: Json = False,
) -> None:
    """List an organization's API keys by their first characters."""
    from tasks_lib.operations import api_keys

    with configured_workspace() as workspace:
        keys = api_keys.list_keys(workspace.store, organization)
        at = workspace.store.now()
    page = cut_page(keys, lambda key: key.id, after=after, limit=limit)
    if json:
        console.print_json([documents.key_document(entry, at) for entry in page.entries])
    else:
        console.print_keys(page.entries, at)
    page.print_rest()


@key.command
def revoke(reference: str, /, *, json: Json = False) -> None:
    """Revoke an API key: requests with it are refused from now on.

    Parameters
    ----------
    reference
        The key's number, or its first characters as in the list.
    """
    from tasks_lib.operations import api_keys

    with configured_workspace() as workspace:
        at = workspace.store.now()
        entry = api_keys.revoke_key(workspace.store, reference, at=at)
    if json:
        console.print_json(documents.key_document(entry, at))
    else:
        console.out.print(
            f"revoked  {entry.prefix}… ({entry.id}, {entry.name}, {entry.organization})",
            markup=False,
        )


def _lifetime(expires: str | None) -> timedelta | None:
    from tasks_lib.domain.catalogue import duration_seconds

    if expires is None:
        return None
    try:
        seconds = duration_seconds(expires)
    except ValueError as error:
        raise UsageError(f"--expires {error}") from None
    return timedelta(seconds=seconds)
