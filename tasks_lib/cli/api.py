"""The External API's commands: serve it, and look after its keys."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from tasks_lib import console
from tasks_lib.cli.arguments import Json, WholeNumber
from tasks_lib.cli.prefect_server import automations, processor, teller
from tasks_lib.domain.catalogue import duration_seconds
from tasks_lib.errors import UsageError
from tasks_lib.operations import api_keys
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.settings import read_settings

if TYPE_CHECKING:
    from fastapi import FastAPI

key = App(name="key", help="Look after the keys of the External API.")


def api(
    *,
    port: WholeNumber = 8000,
    host: str = "127.0.0.1",
    processes: WholeNumber = 1,
    json: Json = False,
) -> None:
    """Serve the External API until Ctrl-C or SIGTERM.

    Parameters
    ----------
    port
        0 takes one that is free.
    host
        The address to listen on; 0.0.0.0 for all of this machine's.
    processes
        How many serve, for machines of several cores. One that dies is replaced.
    """
    from tasks_lib.api.server import serve  # noqa: PLC0415 - loads uvicorn

    def on_ready(url: str) -> None:
        if json:
            console.print_json({"url": f"{url}/api/v1", "openapi": f"{url}/api/v1/openapi.json"})
        else:
            console.out.print(f"The External API: {url}/api/v1 (Ctrl-C stops it)", markup=False)

    serve(open_application, host, port, on_ready, processes=processes)


@contextmanager
def open_application() -> "Iterator[FastAPI]":
    """Open the External API as the settings say, for as long as it is served."""
    from tasks_lib.api.app import create_app  # noqa: PLC0415 - loads FastAPI

    settings = read_settings()
    with open_workspace(settings) as workspace:
        yield create_app(
            workspace,
            limits=settings.api_limits,
            tell=teller(),
            process=processor(settings.api_executor),
            automations=automations(),
        )


@key.command
def create(
    organization: str,
    /,
    *,
    name: str = "unnamed",
    expires: Annotated[str | None, Parameter(help="After how long, such as 12h or 90d.")] = None,
    json: Json = False,
) -> None:
    """Make a key that opens an organization, and print it: it is not shown again.

    Parameters
    ----------
    name
        What the key is for, to tell it from others.
    """
    at = datetime.now(UTC)
    with open_workspace(read_settings()) as workspace:
        made, entry = api_keys.create_key(
            workspace.store, organization, name=name, lifetime=_lifetime(expires), at=at
        )
    if json:
        console.print_json({"key": made} | console.key_document(entry, at))
    else:
        console.out.print(made, markup=False)
        console.err.print("Keep it: it is stored as a hash and not shown again.")


@key.command(name="list")
def list_keys(organization: str, /, *, json: Json = False) -> None:
    """List an organization's keys, by how they begin."""
    with open_workspace(read_settings()) as workspace:
        found = api_keys.list_keys(workspace.store, organization)
    at = datetime.now(UTC)
    if json:
        console.print_json([console.key_document(entry, at) for entry in found])
    else:
        console.print_keys(found, at)


@key.command
def revoke(reference: str, /, *, json: Json = False) -> None:
    """Revoke a key: from then on it opens nothing.

    Parameters
    ----------
    reference
        The key's number, or how it begins, as the list shows it.
    """
    at = datetime.now(UTC)
    with open_workspace(read_settings()) as workspace:
        entry = api_keys.revoke_key(workspace.store, reference, at=at)
    if json:
        console.print_json(console.key_document(entry, at))
    else:
        console.out.print(
            f"revoked  {entry.prefix}… ({entry.id}, {entry.name}, {entry.organization})",
            markup=False,
        )


def _lifetime(expires: str | None) -> timedelta | None:
    if expires is None:
        return None
    try:
        seconds = duration_seconds(expires)
    except ValueError as error:
        raise UsageError(f"--expires {error}") from None
    return timedelta(seconds=seconds)
