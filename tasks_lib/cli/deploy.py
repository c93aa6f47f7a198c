"""The command that registers everything on a Prefect server."""

from typing import TYPE_CHECKING

from tasks_lib.cli.options.arguments import Json
from tasks_lib.cli.output import console
from tasks_lib.cli.workspace import configured_workspace

if TYPE_CHECKING:
    from tasks_lib.deploy.register import Deployed


def deploy_all(*, json: Json = False) -> None:
    """Register all deployments and the automations of all chains on the Prefect server.

    Run it again after each upgrade: it changes only what differs. Pauses, default parameters, and
    schedules that were changed on the server stay. The work pool is created if it is missing.
    """
    from tasks_lib.deploy.register import deploy

    with configured_workspace(creates_store=True) as workspace:
        deployed = deploy(workspace.store)
    if json:
        console.print_json(_document(deployed))
    else:
        _print(deployed)


def _document(deployed: "Deployed") -> dict[str, object]:
    return {
        "work_pool": {"name": deployed.work_pool, "created": deployed.is_work_pool_new},
        "deployments": [registered._asdict() for registered in deployed.deployments],
        "automations": [
            {
                "chain_id": checkup.chain.id,
                "name": checkup.chain.name,
                "outcome": _outcome(is_repaired=checkup.is_repaired),
            }
            for checkup in deployed.automations
        ],
    }


def _print(deployed: "Deployed") -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table("deployment", "outcome", "schedules", box=None, padding=(0, 2, 0, 0))
    for registered in deployed.deployments:
        schedules = Text("\n".join(registered.schedules))
        table.add_row(registered.deployment, registered.outcome.value, schedules)
    console.out.print(table)
    for checkup in deployed.automations:
        outcome = _outcome(is_repaired=checkup.is_repaired)
        console.out.print(Text(f"automation {checkup.chain.name}: {outcome}"))
    pool = deployed.work_pool
    made = "created" if deployed.is_work_pool_new else "exists"
    console.out.print(
        Text(f"Work pool {pool}: {made}. Start a worker with: prefect worker start --pool {pool}")
    )


def _outcome(*, is_repaired: bool) -> str:
    return "updated" if is_repaired else "unchanged"
