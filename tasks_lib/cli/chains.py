"""The commands ``chain ...``: seed a pipeline with the finished tasks of another one."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from tasks_lib.cli.optional_prefect import is_configured
from tasks_lib.cli.options.arguments import (
    AUTOMATE,
    Flag,
    Json,
    OrganizationArgument,
    PipelineArgument,
    WholeNumber,
)
from tasks_lib.cli.options.mapping import Mapping, Skipped, read_mapping
from tasks_lib.cli.options.paging import After, Limit, cut_page
from tasks_lib.cli.output import console, documents
from tasks_lib.cli.output.printed import PrintedError
from tasks_lib.cli.workspace import configured_workspace
from tasks_lib.domain.chains import Trigger, draw_mermaid
from tasks_lib.errors import PrefectUnavailableError

if TYPE_CHECKING:
    from tasks_lib.operations.chains.manage import Chain
    from tasks_lib.operations.workspace import Workspace

chain = App(
    name="chain", help="Seed a pipeline with the finished tasks of another one.", group=AUTOMATE
)

On = Annotated[Trigger, Parameter(name="--on", help="When the chain fires.")]
ChainArgument = Annotated[WholeNumber, Parameter(name="CHAIN", help="The chain's number.")]


@chain.command
def create(
    target: PipelineArgument,
    source: str,
    /,
    *,
    on: On,
    map_: Mapping = (),
    skip: Skipped = (),
    include_existing: Flag = False,
    json: Json = False,
) -> None:
    """Create a chain: finished tasks of SOURCE become tasks of TARGET.

    Parameters
    ----------
    source
        The pipeline whose finished tasks are seeded, in the same organization.
    include_existing
        Also seed the tasks that are finished already.
    """
    from tasks_lib.operations.chains import manage

    request = manage.ChainRequest(
        target=target,
        source=source,
        trigger=on,
        mapping=read_mapping(map_),
        skip=tuple(skip),
        include_existing=include_existing,
    )
    with configured_workspace() as workspace:
        created = manage.create_chain(workspace, request, at=workspace.store.now())
        created = _sync_automation(workspace, created)
    _print(created, f"Created chain {created.id}, {created.name}.", as_json=json)


@chain.command(name="list")
def list_chains(
    organization: OrganizationArgument,
    /,
    *,
    limit: Limit = None,
    after: After = "",
    json: Json = False,
) -> None:
    """List an organization's chains, oldest first."""
    from tasks_lib.operations.chains import manage

    with configured_workspace() as workspace:
        chains = manage.list_chains(workspace.store, organization)
    page = cut_page(chains, lambda one: one.id, after=after, limit=limit)
    if json:
        console.print_json([documents.chain_document(one) for one in page.entries])
    else:
        console.print_chains(page.entries)
    page.print_rest()


@chain.command
def show(chain_id: ChainArgument, /, *, json: Json = False) -> None:
    """Show a chain, its waiting tasks, and why it has not fired."""
    from tasks_lib.operations.chains import manage

    with configured_workspace() as workspace:
        explained = manage.explain_chain(workspace.store, chain_id)
    if json:
        console.print_json(documents.explained_chain_document(explained))
    else:
        console.print_chain(explained)


@chain.command
def edit(
    chain_id: ChainArgument,
    /,
    *,
    on: Annotated[Trigger | None, Parameter(name="--on", help="When the chain fires.")] = None,
    map_: Mapping = (),
    skip: Skipped = (),
    json: Json = False,
) -> None:
    """Change when a chain fires, or replace its mapping by --map and --skip."""
    from tasks_lib.operations.chains import manage

    is_mapped = bool(map_ or skip)
    mapping, skipped = (read_mapping(map_), skip) if is_mapped else (None, None)
    with configured_workspace() as workspace:
        edited = manage.edit_chain(
            workspace.store, chain_id, trigger=on, mapping=mapping, skip=skipped
        )
        edited = _sync_automation(workspace, edited)
    _print(edited, f"Changed chain {edited.id}, {edited.name}.", as_json=json)


@chain.command
def pause(chain_id: ChainArgument, /, *, json: Json = False) -> None:
    """Pause a chain; finished tasks wait until it is resumed."""
    _switch(chain_id, is_paused=True, as_json=json)


@chain.command
def resume(chain_id: ChainArgument, /, *, json: Json = False) -> None:
    """Resume a paused chain; it seeds the tasks that waited."""
    _switch(chain_id, is_paused=False, as_json=json)


@chain.command
def delete(chain_id: ChainArgument, /, *, json: Json = False) -> None:
    """Delete a chain and its automation; the tasks that it created stay."""
    from tasks_lib.operations.chains import manage

    with configured_workspace() as workspace:
        deleted = manage.delete_chain(workspace.store, chain_id)
    if is_configured():
        from tasks_lib.steps import automations

        _try(lambda: automations.remove_automation(deleted), f"delete {deleted.name!r} in its UI")
    _print(deleted, f"Deleted chain {deleted.id}, {deleted.name}.", as_json=json)


@chain.command
def doctor(
    organization: str | None = None,
    /,
    *,
    repair: Flag = False,
    json: Json = False,
) -> None:
    """Compare chains with the automations on the Prefect server; exit with 1 if one is wrong.

    Parameters
    ----------
    organization
        Check only this organization's chains.
    repair
        Create, update and delete automations until they match the chains.
    """
    from tasks_lib.operations.chains import manage
    from tasks_lib.steps import automations

    with configured_workspace() as workspace:
        chains = manage.list_chains(workspace.store, organization)
        checkups = automations.examine(workspace.store, chains, repairs=repair)
    shown = [
        checkup._asdict() | {"chain": documents.chain_document(checkup.chain)}
        for checkup in checkups
    ]
    if json:
        console.print_json(shown)
    else:
        console.print_checkups(shown)
    if any(checkup.findings and not checkup.is_repaired for checkup in checkups):
        console.print_hints(["to repair automations, run: seeding chain doctor --repair"])
        raise PrintedError(1)


@chain.command
def graph(organization: OrganizationArgument, /, *, json: Json = False) -> None:
    """Print an organization's chains as a Mermaid flowchart."""
    from tasks_lib.operations.chains import manage

    with configured_workspace() as workspace:
        chains = manage.list_chains(workspace.store, organization)
    flowchart = draw_mermaid([one.link for one in chains])
    if json:
        console.print_json({"mermaid": flowchart})
    else:
        console.out.print(flowchart, markup=False)


def _switch(chain_id: int, *, is_paused: bool, as_json: bool) -> None:
    from tasks_lib.operations.chains import manage

    with configured_workspace() as workspace:
        switched = manage.set_paused(workspace.store, chain_id, is_paused=is_paused)
        switched = _sync_automation(workspace, switched)
    done = "Paused" if is_paused else "Resumed"
    _print(switched, f"{done} chain {switched.id}, {switched.name}.", as_json=as_json)


def _sync_automation(workspace: "Workspace", changed: "Chain") -> "Chain":
    """Create or update the chain's automation and return the chain; warn if there is no server."""
    if not is_configured():
        _warn("no Prefect server is configured, so no automation wakes the chain")
        return changed
    from tasks_lib.operations.chains import manage
    from tasks_lib.steps import automations

    _try(
        lambda: automations.ensure_automation(workspace.store, changed),
        "run: seeding chain doctor --repair",
    )
    return manage.find_chain(workspace.store, changed.id)


def _try(act: Callable[[], object], what_to_do: str) -> None:
    try:
        act()
    except PrefectUnavailableError as error:
        _warn(f"{error}; later, {what_to_do}")


def _warn(why: str) -> None:
    console.print_warnings([f"{why}; chains fire whenever seeding reconcile runs"])


def _print(changed: "Chain", sentence: str, *, as_json: bool) -> None:
    if as_json:
        console.print_json(documents.chain_document(changed))
    else:
        console.out.print(sentence, markup=False)
