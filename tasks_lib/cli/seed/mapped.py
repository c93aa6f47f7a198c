"""The commands ``seed dataset`` and ``seed pipeline``: tasks from mapped rows."""

from dataclasses import asdict
from types import ModuleType
from typing import TYPE_CHECKING

from tasks_lib.cli.options.arguments import Flag, Json, MaxRejected, PipelineArgument
from tasks_lib.cli.options.mapping import Mapping, Skipped, read_mapping
from tasks_lib.cli.options.naming import GroupName, Labels
from tasks_lib.cli.workspace import configured_workspace
from tasks_lib.domain.progress import OnProgress
from tasks_lib.domain.statuses import OnError

if TYPE_CHECKING:
    from tasks_lib.operations.seeding.mapped_seeding import MappedRequest
    from tasks_lib.operations.seeding.reports import Seeded
    from tasks_lib.operations.workspace import Workspace


def seed_dataset(
    pipeline: PipelineArgument,
    dataset: str,
    /,
    *,
    map_: Mapping = (),
    skip: Skipped = (),
    on_error: OnError = OnError.REJECT_FILE,
    max_rejected: MaxRejected = "",
    name: GroupName = "",
    label: Labels = (),
    dry_run: Flag = False,
    reseed: Flag = False,
    full: Flag = False,
    allow_shrink: Flag = False,
    mapping_name: str = "",
    save_mapping: str = "",
    accept_drift: Flag = False,
    deployed: Flag = False,
    json: Json = False,
) -> None:
    """Create one task for each row of a dataset that was not seeded before.

    Parameters
    ----------
    dataset
        The name of a dataset in the pipeline's organization.
    on_error
        If a row is bad: reject all rows, or skip it.
    dry_run
        Show which column fills which field, check every row and create nothing.
    reseed
        Also seed the rows that were seeded before.
    full
        The source has all of its rows: treat tasks whose rows are missing as on_missing says.
    allow_shrink
        Withdraw even more than half of the source's tasks.
    mapping_name
        A saved mapping of the pipeline, NAME or NAME@VERSION. --map and --skip override it.
    save_mapping
        Save the mapping under this name, as its next version.
    accept_drift
        Seed even if columns have changed since the mapping was saved, or one that filled a field
        in the last seeding is gone.
    deployed
        Run the deployment seed-from-dataset and wait for it, instead of seeding in this process.
    """
    from tasks_lib.operations.seeding import seed_from_dataset
    from tasks_lib.operations.seeding.mapped_seeding import MappedRequest

    request = MappedRequest(
        pipeline=pipeline,
        source=dataset,
        mapping=read_mapping(map_),
        skip=tuple(skip),
        on_error=on_error,
        max_rejected=max_rejected,
        name=name,
        labels=tuple(label),
        dry_run=dry_run,
        reseed=reseed,
        full=full,
        allow_shrink=allow_shrink,
        mapping_name=mapping_name,
        save_mapping=save_mapping,
        accept_drift=accept_drift,
    )
    _seed_mapped(seed_from_dataset, "dataset", request, deployed=deployed, as_json=json)


def seed_pipeline(
    pipeline: PipelineArgument,
    source_pipeline: str,
    /,
    *,
    map_: Mapping = (),
    skip: Skipped = (),
    on_error: OnError = OnError.REJECT_FILE,
    max_rejected: MaxRejected = "",
    name: GroupName = "",
    label: Labels = (),
    dry_run: Flag = False,
    reseed: Flag = False,
    full: Flag = False,
    allow_shrink: Flag = False,
    mapping_name: str = "",
    save_mapping: str = "",
    accept_drift: Flag = False,
    deployed: Flag = False,
    json: Json = False,
) -> None:
    """Create one task for each finished task of another pipeline that was not seeded before.

    Parameters
    ----------
    source_pipeline
        The pipeline whose finished tasks are seeded, in the same organization.
    on_error
        If a row is bad: reject all rows, or skip it.
    dry_run
        Show which column fills which field, check every row and create nothing.
    reseed
        Also seed the rows that were seeded before.
    full
        The source has all of its rows: treat tasks whose rows are missing as on_missing says.
    allow_shrink
        Withdraw even more than half of the source's tasks.
    mapping_name
        A saved mapping of the pipeline, NAME or NAME@VERSION. --map and --skip override it.
    save_mapping
        Save the mapping under this name, as its next version.
    accept_drift
        Seed even if columns have changed since the mapping was saved, or one that filled a field
        in the last seeding is gone.
    deployed
        Run the deployment seed-from-pipeline and wait for it, instead of seeding in this process.
    """
    from tasks_lib.operations.seeding import seed_from_pipeline
    from tasks_lib.operations.seeding.mapped_seeding import MappedRequest

    request = MappedRequest(
        pipeline=pipeline,
        source=source_pipeline,
        mapping=read_mapping(map_),
        skip=tuple(skip),
        on_error=on_error,
        max_rejected=max_rejected,
        name=name,
        labels=tuple(label),
        dry_run=dry_run,
        reseed=reseed,
        full=full,
        allow_shrink=allow_shrink,
        mapping_name=mapping_name,
        save_mapping=save_mapping,
        accept_drift=accept_drift,
    )
    _seed_mapped(seed_from_pipeline, "source_pipeline", request, deployed=deployed, as_json=json)


def _seed_mapped(
    way: ModuleType,
    source_parameter: str,
    request: "MappedRequest",
    *,
    deployed: bool,
    as_json: bool,
) -> None:
    """Seed from a mapped source.

    ``way`` is the module of its operation: ``seed_from_dataset`` or ``seed_from_pipeline``.
    """
    from tasks_lib.cli.seed.run import Act, finish, seed_by
    from tasks_lib.operations.catalogue.read import find_pipeline

    name = way.__name__.rpartition(".")[2]

    def run(workspace: "Workspace", run_id: str, on_progress: OnProgress) -> "Seeded":
        seeded: Seeded = getattr(way, name)(
            workspace, request, run_id=run_id, on_progress=on_progress
        )
        return seeded

    parameters = asdict(request) | {
        "skip": list(request.skip),
        "on_error": request.on_error.value,
        "labels": list(request.labels),
    }
    parameters[source_parameter] = parameters.pop("source")
    act = Act(name.replace("_", "-"), parameters, run, request.source)
    with configured_workspace() as workspace:
        pipeline = find_pipeline(workspace.store, request.pipeline)
        way.find_source(workspace, pipeline, request.source)
        outcome = seed_by(workspace, act, deployed=deployed)
        plan = None
        if request.dry_run or outcome.report.is_rejection:
            plan = outcome.plan or way.plan_only(workspace, pipeline, request)
    finish(outcome._replace(plan=plan), pipeline, as_json=as_json)
