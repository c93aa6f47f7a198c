"""The commands ``infinite ...``: as tasks are claimed, new ones are made."""

import os
from datetime import UTC, datetime
from typing import Annotated
from uuid import uuid4

from cyclopts import App, Parameter

from tasks_lib import console
from tasks_lib.cli.arguments import Flag, Json, PipelineArgument, WholeNumber
from tasks_lib.cli.prefect_server import announce, is_configured
from tasks_lib.operations import infinite_seeding
from tasks_lib.operations.infinite_seeding import InfiniteSeeding, Wish
from tasks_lib.operations.infinite_sensor import Ended, Sensor
from tasks_lib.operations.topping_up import top_up_all
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.settings import read_settings
from tasks_lib.store.engine import Store

infinite = App(name="infinite", help="Make new tasks as tasks are claimed.")


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
    """Keep a pipeline topped up from now on, or change how.

    Parameters
    ----------
    target
        The most tasks that the pipeline shall ever hold; by default there is no limit.
    keep_available
        How many tasks shall be there to claim.
    copy_group
        A group of the pipeline whose tasks' values are copied, round and round; repeat.
    """
    with open_workspace(read_settings()) as workspace:
        found = infinite_seeding.enable(
            workspace.store, pipeline, Wish(target, keep_available, copy_group), at=_now()
        )
        announce(workspace.store)
        _ensure_sensor(workspace.store)
    _print([found], as_json=json)


@infinite.command
def disable(pipeline: PipelineArgument, /, *, json: Json = False) -> None:
    """Make no more tasks; those that are there stay."""
    with open_workspace(read_settings()) as workspace:
        found = infinite_seeding.disable(workspace.store, pipeline)
    _print([found], as_json=json)


@infinite.command
def status(pipeline: str | None = None, /, *, json: Json = False) -> None:
    """Show how infinite seeding stands: of a pipeline, or of all that it was ever enabled for."""
    with open_workspace(read_settings()) as workspace:
        if pipeline is None:
            found = infinite_seeding.list_seedings(workspace.store)
        else:
            found = [infinite_seeding.status(workspace.store, pipeline)]
    _print(found, as_json=json, is_list=pipeline is None)


@infinite.command(name="run")
def run_sensor(*, once: Annotated[bool, Flag] = False, json: Json = False) -> None:
    """Watch claims until Ctrl-C, where no Prefect runs the deployment infinite-seeding.

    Parameters
    ----------
    once
        Make what is missing now, and end.
    """
    with open_workspace(read_settings()) as workspace:
        if once:
            made = top_up_all(workspace.store, at=_now())
            ended = Ended(made, "looked once")
        else:
            console.err.print("Watching claims; Ctrl-C stops it.")
            ended = Sensor(workspace.store, f"{os.getpid()}-{uuid4()}", life=None).run()
        announce(workspace.store)
    if json:
        console.print_json({"made": ended.made, "why": ended.why})
    else:
        console.out.print(ended.sentence, markup=False)


def _now() -> datetime:
    return datetime.now(UTC)


def _ensure_sensor(store: Store) -> None:
    if is_configured():
        from tasks_lib.steps import infinite as steps  # noqa: PLC0415 - loads Prefect

        steps.ensure_sensor(store)


def _print(found: list[InfiniteSeeding], *, as_json: bool, is_list: bool = False) -> None:
    for one in found:
        console.print_warnings(one.warnings)
    if as_json:
        documents = [one._asdict() for one in found]
        console.print_json(documents if is_list else documents[0])
    else:
        console.print_infinite(found)
