"""The commands ``chain ...``: what finishes in one pipeline is seeded into another."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

from cyclopts import App, Parameter

from tasks_lib import console
from tasks_lib.cli.arguments import Flag, Json, PipelineArgument, WholeNumber
from tasks_lib.cli.prefect_server import is_configured
from tasks_lib.cli.seed import Mapping, Skipped, read_mapping
from tasks_lib.domain.chains import Trigger, mermaid
from tasks_lib.errors import PrefectUnavailableError
from tasks_lib.operations import chains
from tasks_lib.operations.chains import Chain, ChainRequest
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.settings import read_settings
from tasks_lib.store.engine import Store

chain = App(name="chain", help="Seed a pipeline with what finishes in another one.")

On = Annotated[Trigger, Parameter(name="--on", help="When it fires.")]


@chain.command
def create(
    target: PipelineArgument,
    source: str,
    /,
    *,
    on: On,
    map_: Mapping = (),
    skip: Skipped = (),
    include_existing: Annotated[bool, Flag] = False,
    json: Json = False,
) -> None:
    """Let finished tasks of one pipeline become tasks of another.

    Parameters
    ----------
    source
        The pipeline whose tasks are finished.
    include_existing
        Seed what was finished before, too.
    """
    request = ChainRequest(target, source, on, read_mapping(map_), tuple(skip), include_existing)
    with open_workspace(read_settings()) as workspace:
        made = chains.create_chain(workspace, request, at=datetime.now(UTC))
        made = _with_automation(workspace.store, made)
    _print(made, f"Made chain {made.id}, {made.name}.", as_json=json)


@chain.command(name="list")
def list_chains(organization: str, /, *, json: Json = False) -> None:
    """List an organization's chains, oldest first."""
    with open_workspace(read_settings()) as workspace:
        found = chains.list_chains(workspace.store, organization)
    if json:
        console.print_json([one._asdict() for one in found])
    else:
        console.print_chains(found)


@chain.command
def show(chain_id: WholeNumber, /, *, json: Json = False) -> None:
    """Show a chain, what waits for it, and why it has not fired.

    Parameters
    ----------
    chain_id
        The chain's number.
    """
    with open_workspace(read_settings()) as workspace:
        told = chains.explain_chain(workspace.store, chain_id)
    if json:
        misfits = [misfit._asdict() for misfit in told.misfits]
        document = told._asdict() | {"chain": told.chain._asdict(), "misfits": misfits}
        console.print_json(document)
    else:
        console.print_chain(told)


@chain.command
def edit(
    chain_id: WholeNumber,
    /,
    *,
    on: Annotated[Trigger | None, Parameter(name="--on", help="When it fires.")] = None,
    map_: Mapping = (),
    skip: Skipped = (),
    json: Json = False,
) -> None:
    """Change when a chain fires, or its mapping: --map and --skip replace the whole of it.

    Parameters
    ----------
    chain_id
        The chain's number.
    """
    is_mapped = bool(map_ or skip)
    mapping, skipped = (read_mapping(map_), skip) if is_mapped else (None, None)
    with open_workspace(read_settings()) as workspace:
        edited = chains.edit_chain(
            workspace.store, chain_id, trigger=on, mapping=mapping, skip=skipped
        )
        edited = _with_automation(workspace.store, edited)
    _print(edited, f"Changed chain {edited.id}, {edited.name}.", as_json=json)


@chain.command
def pause(chain_id: WholeNumber, /, *, json: Json = False) -> None:
    """Pause a chain: what is finished waits for it.

    Parameters
    ----------
    chain_id
        The chain's number.
    """
    _switch(chain_id, is_paused=True, as_json=json)


@chain.command
def resume(chain_id: WholeNumber, /, *, json: Json = False) -> None:
    """Let a paused chain go on; it catches up.

    Parameters
    ----------
    chain_id
        The chain's number.
    """
    _switch(chain_id, is_paused=False, as_json=json)


@chain.command
def delete(chain_id: WholeNumber, /, *, json: Json = False) -> None:
    """Delete a chain and its automation; the tasks that it made stay.

    Parameters
    ----------
    chain_id
        The chain's number.
    """
    with open_workspace(read_settings()) as workspace:
        deleted = chains.delete_chain(workspace.store, chain_id)
    if is_configured():
        from tasks_lib.steps import automations  # noqa: PLC0415 - loads Prefect

        _try(lambda: automations.remove_automation(deleted), f"delete {deleted.name!r} in its UI")
    _print(deleted, f"Deleted chain {deleted.id}, {deleted.name}.", as_json=json)


@chain.command
def doctor(
    organization: str | None = None,
    /,
    *,
    repair: Annotated[bool, Flag] = False,
    json: Json = False,
) -> None:
    """Compare chains with the automations of the Prefect server.

    Parameters
    ----------
    organization
        Only this organization's chains.
    repair
        Make, change and delete our automations until they are as they should be.
    """
    from tasks_lib.steps import automations  # noqa: PLC0415 - loads Prefect

    with open_workspace(read_settings()) as workspace:
        found = chains.list_chains(workspace.store, organization)
        checkups = automations.examine(workspace.store, found, repairs=repair)
    documents = [checkup._asdict() | {"chain": checkup.chain._asdict()} for checkup in checkups]
    if json:
        console.print_json(documents)
    else:
        console.print_checkups(documents)


@chain.command
def graph(organization: str, /, *, json: Json = False) -> None:
    """Print an organization's chains as a Mermaid flowchart."""
    with open_workspace(read_settings()) as workspace:
        found = chains.list_chains(workspace.store, organization)
    drawn = mermaid([one.link for one in found])
    if json:
        console.print_json({"mermaid": drawn})
    else:
        console.out.print(drawn, markup=False)


def _switch(chain_id: int, *, is_paused: bool, as_json: bool) -> None:
    with open_workspace(read_settings()) as workspace:
        switched = chains.set_paused(workspace.store, chain_id, is_paused=is_paused)
        switched = _with_automation(workspace.store, switched)
    done = "Paused" if is_paused else "Resumed"
    _print(switched, f"{done} chain {switched.id}, {switched.name}.", as_json=as_json)


def _with_automation(store: Store, changed: Chain) -> Chain:
    """Bring the automation in line with the chain; say so where there is no server for that."""
    if not is_configured():
        _warn("no Prefect server is configured, so no automation wakes the chain")
        return changed
    from tasks_lib.steps import automations  # noqa: PLC0415 - loads Prefect

    _try(
        lambda: automations.ensure_automation(store, changed), "run: seeding chain doctor --repair"
    )
    return chains.find_chain(store, changed.id)


def _try(act: Callable[[], object], what_to_do: str) -> None:
    try:
        act()
    except PrefectUnavailableError as error:
        _warn(f"{error}; later, {what_to_do}")


def _warn(why: str) -> None:
    console.print_warnings([f"{why}; chains fire whenever seeding reconcile runs"])


def _print(changed: Chain, sentence: str, *, as_json: bool) -> None:
    if as_json:
        console.print_json(changed._asdict())
    else:
        console.out.print(sentence, markup=False)
