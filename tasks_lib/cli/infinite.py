"""The commands ``infinite ...``: create new tasks as tasks are claimed."""

import os
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

from cyclopts import App, Parameter

from tasks_lib.cli.optional_prefect import announce, is_configured
from tasks_lib.cli.options.arguments import AUTOMATE, Flag, Json, PipelineArgument, WholeNumber
from tasks_lib.cli.output import console
from tasks_lib.cli.workspace import configured_workspace

if TYPE_CHECKING:
    from tasks_lib.operations.infinite.manage import InfiniteSeeding
    from tasks_lib.operations.workspace import Workspace

infinite = App(name="infinite", help="Create new tasks as tasks are claimed.", group=AUTOMATE)


@infinite.command
def enable(
    pipeline: PipelineArgument,
    /,
    *,
    target: WholeNumber | None = None,
    keep_available: WholeNumber = 1,
    copy_group: Annotated[tuple[WholeNumber, ...], Parameter(negative=())] = (),
    json: Json = False,
) -> None:
    """Keep tasks available in a pipeline, or change how many.

    Parameters
    ----------
    target
        The total number of tasks at which to stop. By default there is no limit.
    keep_available
        How many tasks to keep available for claiming.
    copy_group
        The number of a group whose tasks are copied in turn; repeat for several. By default new
        tasks are blank.
    """
    from tasks_lib.operations.infinite import manage

    with configured_workspace() as workspace:
        request = manage.InfiniteRequest(
            target=target, keep_available=keep_available, copy_groups=copy_group
        )
        seeding = manage.enable(workspace.store, pipeline, request, at=workspace.store.now())
        announce(workspace)
        _ensure_sensor(workspace)
    _print([seeding], as_json=json)


@infinite.command
def disable(pipeline: PipelineArgument, /, *, json: Json = False) -> None:
    """Stop creating tasks; the existing ones stay."""
    from tasks_lib.operations.infinite import manage

    with configured_workspace() as workspace:
        seeding = manage.disable(workspace.store, pipeline)
    _print([seeding], as_json=json)


@infinite.command
def status(pipeline: str | None = None, /, *, json: Json = False) -> None:
    """Show the status of infinite seeding.

    Parameters
    ----------
    pipeline
        Show only this pipeline. By default all that ever had infinite seeding enabled.
    """
    from tasks_lib.operations.infinite import manage

    with configured_workspace() as workspace:
        if pipeline is None:
            seedings = manage.list_seedings(workspace.store)
        else:
            seedings = [manage.get_status(workspace.store, pipeline)]
    _print(seedings, as_json=json, is_list=pipeline is None)


@infinite.command(name="run")
def run_sensor(*, once: Flag = False, json: Json = False) -> None:
    """Watch claims until Ctrl-C and create tasks; needed only without a Prefect server.

    Parameters
    ----------
    once
        Create the tasks that are missing now, then exit.
    """
    from tasks_lib.operations.infinite.sensor import Sensor, SensorResult
    from tasks_lib.operations.infinite.top_up import top_up_all

    with configured_workspace() as workspace:
        if once:
            made = top_up_all(workspace.store, at=workspace.store.now())
            ended = SensorResult(made, "checked once")
        else:
            console.err.print("Watching claims; press Ctrl-C to stop.")
            ended = Sensor(workspace.store, f"{os.getpid()}-{uuid4()}", life=None).run()
        announce(workspace)
    if json:
        console.print_json({"made": ended.made, "why": ended.why})
    else:
        console.out.print(ended.sentence, markup=False)


def _ensure_sensor(workspace: "Workspace") -> None:
    if is_configured():
        from tasks_lib.steps import infinite as steps

        steps.ensure_sensor(workspace.store)


def _print(seedings: "list[InfiniteSeeding]", *, as_json: bool, is_list: bool = False) -> None:
    for seeding in seedings:
        console.print_warnings(seeding.warnings)
    if as_json:
        documents = [seeding._asdict() for seeding in seedings]
        console.print_json(documents if is_list else documents[0])
    else:
        console.print_infinite(seedings)
