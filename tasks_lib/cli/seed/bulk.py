"""The command ``seed bulk``: blank tasks."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from tasks_lib.cli.options.arguments import Flag, Json, PipelineArgument, WholeNumber
from tasks_lib.cli.options.naming import GroupName, Labels
from tasks_lib.cli.workspace import configured_workspace
from tasks_lib.domain.progress import OnProgress

if TYPE_CHECKING:
    from tasks_lib.operations.seeding.reports import Seeded
    from tasks_lib.operations.workspace import Workspace


def seed_bulk(
    pipeline: PipelineArgument,
    count: WholeNumber,
    /,
    *,
    key: str = "",
    name: GroupName = "",
    label: Labels = (),
    dry_run: Flag = False,
    deployed: Flag = False,
    json: Json = False,
) -> None:
    """Create blank tasks in a pipeline without dataset fields.

    Parameters
    ----------
    count
        How many tasks to create, at most SEEDING_MAX_BULK_COUNT.
    key
        An idempotency key: running again with the same key creates nothing.
    dry_run
        Check the request and create nothing.
    deployed
        Run the deployment bulk-create and wait for it, instead of seeding in this process.
    """
    from tasks_lib.cli.seed.run import Act, finish, seed_by
    from tasks_lib.operations.catalogue.read import find_pipeline
    from tasks_lib.operations.seeding.bulk_create import BulkRequest, bulk_create, check_count

    request = BulkRequest(
        pipeline=pipeline,
        count=count,
        key=key,
        name=name,
        labels=tuple(label),
        dry_run=dry_run,
    )

    def run(workspace: "Workspace", run_id: str, _: OnProgress) -> "Seeded":
        return bulk_create(workspace, request, run_id=run_id)

    with configured_workspace() as workspace:
        check_count(workspace, count)
        target = find_pipeline(workspace.store, pipeline)
        parameters = asdict(request) | {"labels": list(request.labels)}
        act = Act("bulk-create", parameters, run, request.source)
        outcome = seed_by(workspace, act, deployed=deployed)
    finish(outcome, target, as_json=json)
