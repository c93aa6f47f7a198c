"""The commands ``seed ...``: one for each kind of source."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final, NamedTuple

from cyclopts import App, Parameter
from fsspec.utils import get_protocol

from tasks_lib.cli.arguments import Flag, Json, PipelineArgument, WholeNumber
from tasks_lib.cli.seeding import Act, finish, read_secret, seed_by
from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.mapping import Plan
from tasks_lib.domain.statuses import OnError
from tasks_lib.errors import UsageError
from tasks_lib.intake.progress import OnProgress
from tasks_lib.operations import queries, seed_from_dataset, seed_from_pipeline
from tasks_lib.operations.bulk_create import BulkRequest, bulk_create, check_count
from tasks_lib.operations.file_sources import CsvRequest
from tasks_lib.operations.loading import Seeded
from tasks_lib.operations.mapped_seeding import MappedRequest, MappedSource
from tasks_lib.operations.seed_from_csv import seed_from_csv
from tasks_lib.operations.seed_from_zip import ZipRequest, seed_from_zip
from tasks_lib.operations.workspace import Workspace, open_workspace
from tasks_lib.settings import read_settings

seed = App(name="seed", help="Create tasks from a source.")

Mapping = Annotated[
    tuple[str, ...],
    Parameter(name="--map", negative=(), help="field=column, or field=column:jsonpath; repeat."),
]
Skipped = Annotated[
    tuple[str, ...],
    Parameter(name="--skip", negative=(), help="A field to leave empty on purpose; repeat."),
]


@seed.command(name="csv")
def seed_csv(
    pipeline: PipelineArgument,
    source: str,
    /,
    *,
    on_error: OnError = OnError.REJECT_FILE,
    dry_run: Annotated[bool, Flag] = False,
    allow_duplicate: Annotated[bool, Flag] = False,
    encoding: str = "",
    delimiter: str = ",",
    deployed: Annotated[bool, Flag] = False,
    json: Json = False,
) -> None:
    """Create one task for each row of a CSV file.

    Parameters
    ----------
    source
        A path, s3://bucket/key, https://..., or any fsspec URL; gzipped if it ends in .gz.
    on_error
        What a bad row does: turn the whole file away, or only itself.
    dry_run
        Check everything and create nothing.
    allow_duplicate
        Seed content again that the pipeline already holds.
    encoding
        Such as cp1252 or shift_jis; by default UTF-8, or UTF-16 by its byte order mark.
    delimiter
        One character between cells, or the word tab.
    deployed
        Start the deployment seed-from-csv and wait for it, instead of running here.
    """
    request = CsvRequest(pipeline, source, on_error, dry_run, allow_duplicate, encoding, delimiter)
    _seed_file("seed-from-csv", request, seed_from_csv, deployed=deployed, as_json=json)


@seed.command(name="zip")
def seed_zip(
    pipeline: PipelineArgument,
    source: str,
    /,
    *,
    csv_name: str = "",
    on_error: OnError = OnError.REJECT_FILE,
    dry_run: Annotated[bool, Flag] = False,
    allow_duplicate: Annotated[bool, Flag] = False,
    encoding: str = "",
    delimiter: str = ",",
    deployed: Annotated[bool, Flag] = False,
    json: Json = False,
) -> None:
    """Create one task for each row of a ZIP's CSV, with the files that the row names.

    Parameters
    ----------
    source
        A ZIP: a path, s3://bucket/key, https://..., or any fsspec URL. It is read where it lies.
    csv_name
        The CSV's path in the ZIP; by default the only one at its root, or else the only one.
    on_error
        What a bad row does: turn the whole ZIP away, or only itself.
    dry_run
        Check everything and create nothing.
    allow_duplicate
        Seed content again that the pipeline already holds.
    encoding
        The CSV's, such as cp1252 or shift_jis; by default UTF-8, or UTF-16 by its byte order mark.
    delimiter
        One character between cells, or the word tab.
    deployed
        Start the deployment seed-from-zip and wait for it, instead of running here.
    """
    request = ZipRequest(
        pipeline, source, on_error, dry_run, allow_duplicate, encoding, delimiter, csv_name
    )
    _seed_file("seed-from-zip", request, seed_from_zip, deployed=deployed, as_json=json)


@seed.command(name="dataset")
def seed_dataset(
    pipeline: PipelineArgument,
    dataset: str,
    /,
    *,
    map_: Mapping = (),
    skip: Skipped = (),
    on_error: OnError = OnError.REJECT_FILE,
    dry_run: Annotated[bool, Flag] = False,
    reseed: Annotated[bool, Flag] = False,
    mapping: str = "",
    save_mapping: str = "",
    accept_drift: Annotated[bool, Flag] = False,
    deployed: Annotated[bool, Flag] = False,
    json: Json = False,
) -> None:
    """Create one task for each row of a dataset that is not a task yet.

    Parameters
    ----------
    dataset
        A dataset of the pipeline's organization.
    on_error
        What a bad row does: turn all of them away, or only itself.
    dry_run
        Show which column fills which field, check everything and create nothing.
    reseed
        Seed again what was seeded before.
    mapping
        A saved mapping of the pipeline, NAME or NAME@VERSION; --map and --skip count more.
    save_mapping
        Save the mapping under this name, as its next version.
    accept_drift
        Go on with a saved mapping although the source has other columns now.
    deployed
        Start the deployment seed-from-dataset and wait for it, instead of running here.
    """
    request = MappedRequest(
        pipeline,
        dataset,
        read_mapping(map_),
        tuple(skip),
        on_error,
        dry_run,
        reseed,
        mapping,
        save_mapping,
        accept_drift,
    )
    act = _mapped_act("dataset", "dataset", request, seed_from_dataset.seed_from_dataset)
    _seed_mapped(act, request, _OF_DATASETS, deployed=deployed, as_json=json)


@seed.command(name="pipeline")
def seed_pipeline(
    pipeline: PipelineArgument,
    source_pipeline: str,
    /,
    *,
    map_: Mapping = (),
    skip: Skipped = (),
    on_error: OnError = OnError.REJECT_FILE,
    dry_run: Annotated[bool, Flag] = False,
    reseed: Annotated[bool, Flag] = False,
    mapping: str = "",
    save_mapping: str = "",
    accept_drift: Annotated[bool, Flag] = False,
    deployed: Annotated[bool, Flag] = False,
    json: Json = False,
) -> None:
    """Create one task for each finished task of another pipeline that is not a task yet.

    Parameters
    ----------
    source_pipeline
        The pipeline whose finished tasks are seeded, of the same organization.
    on_error
        What a bad row does: turn all of them away, or only itself.
    dry_run
        Show which column fills which field, check everything and create nothing.
    reseed
        Seed again what was seeded before.
    mapping
        A saved mapping of the pipeline, NAME or NAME@VERSION; --map and --skip count more.
    save_mapping
        Save the mapping under this name, as its next version.
    accept_drift
        Go on with a saved mapping although the source has other columns now.
    deployed
        Start the deployment seed-from-pipeline and wait for it, instead of running here.
    """
    request = MappedRequest(
        pipeline,
        source_pipeline,
        read_mapping(map_),
        tuple(skip),
        on_error,
        dry_run,
        reseed,
        mapping,
        save_mapping,
        accept_drift,
    )
    act = _mapped_act("pipeline", "source_pipeline", request, seed_from_pipeline.seed_from_pipeline)
    _seed_mapped(act, request, _OF_PIPELINES, deployed=deployed, as_json=json)


@seed.command(name="bulk")
def seed_bulk(
    pipeline: PipelineArgument,
    count: WholeNumber,
    /,
    *,
    key: str = "",
    dry_run: Annotated[bool, Flag] = False,
    deployed: Annotated[bool, Flag] = False,
    json: Json = False,
) -> None:
    """Create blank tasks for a pipeline in which nothing is predefined.

    Parameters
    ----------
    count
        How many, at most SEEDING_MAX_BULK_COUNT.
    key
        Create them once for this key, however often it comes.
    dry_run
        Check everything and create nothing.
    deployed
        Start the deployment bulk-create and wait for it, instead of running here.
    """
    request = BulkRequest(pipeline, count, key, dry_run)

    def run(workspace: Workspace, run_id: str, _: OnProgress) -> Seeded:
        return bulk_create(workspace, request, run_id=run_id)

    with open_workspace(read_settings()) as workspace:
        check_count(workspace, count)
        found = queries.find_pipeline(workspace.store, pipeline)
        act = Act("bulk-create", asdict(request), run, request.source)
        report, _ = seed_by(workspace, act, deployed=deployed)
    finish(report, found, as_json=json)


def _seed_file(
    name: str,
    request: CsvRequest,
    operation: Callable[..., Seeded],
    *,
    deployed: bool,
    as_json: bool,
) -> None:
    def run(workspace: Workspace, run_id: str, on_progress: OnProgress) -> Seeded:
        return operation(workspace, request, run_id=run_id, on_progress=on_progress)

    is_local = get_protocol(request.source) == "file" and "://" not in request.source
    # A worker may stand in another folder.
    source = str(Path(request.source).absolute()) if is_local else request.source
    parameters = asdict(request) | {"source": source, "on_error": request.on_error.value}
    with open_workspace(read_settings()) as workspace:
        pipeline = queries.find_pipeline(workspace.store, request.pipeline)
        report, _ = seed_by(
            workspace, Act(name, parameters, run, request.source), deployed=deployed
        )
    finish(report, pipeline, as_json=as_json)


def read_mapping(pairs: Sequence[str]) -> dict[str, str]:
    """Return ``target=source`` pairs as a mapping; a field's name may hold no equals sign here."""
    mapping: dict[str, str] = {}
    for pair in pairs:
        target, separator, source = pair.partition("=")
        if not separator or not target or not source:
            raise UsageError(f"--map {pair!r} is not field=column or field=column:jsonpath")
        if target in mapping:
            raise UsageError(f"--map names the field {target!r} twice")
        mapping[target] = source
    return mapping


def _mapped_act(
    kind: str, parameter: str, request: MappedRequest, operation: Callable[..., Seeded]
) -> Act:
    def run(workspace: Workspace, run_id: str, on_progress: OnProgress) -> Seeded:
        return operation(workspace, request, run_id=run_id, on_progress=on_progress)

    parameters = asdict(request) | {"skip": list(request.skip), "on_error": request.on_error.value}
    parameters[parameter] = parameters.pop("source")
    return Act(f"seed-from-{kind}", parameters, run, request.source)


class _Mapped(NamedTuple):
    """What a seeding whose rows have ids does beside making tasks."""

    find_source: Callable[[Workspace, Pipeline, str], MappedSource]
    plan_only: Callable[[Workspace, Pipeline, MappedRequest], Plan | None]


def _seed_mapped(
    act: Act,
    request: MappedRequest,
    operations: _Mapped,
    *,
    deployed: bool,
    as_json: bool,
) -> None:
    with open_workspace(read_settings(), read_secret) as workspace:
        pipeline = queries.find_pipeline(workspace.store, request.pipeline)
        operations.find_source(workspace, pipeline, request.source)
        report, plan = seed_by(workspace, act, deployed=deployed)
        shows_plan = request.dry_run or report.is_rejection
        if shows_plan and plan is None:
            plan = operations.plan_only(workspace, pipeline, request)
    finish(report, pipeline, as_json=as_json, plan=plan if shows_plan else None)


_OF_DATASETS: Final = _Mapped(seed_from_dataset.find_source, seed_from_dataset.plan_only)
_OF_PIPELINES: Final = _Mapped(seed_from_pipeline.find_source, seed_from_pipeline.plan_only)
